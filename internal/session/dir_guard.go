package session

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// prepareFolder makes the folder if it isn't there, takes from others the right to read it, and says why if it can't be
// trusted. It returns the cleaned path: with a slash at its end a link would be followed.
func prepareFolder(folder string) (string, error) {
	folder = filepath.Clean(folder)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("session: making the folder: %w", err)
	}
	info, err := checkFolder(folder)
	if err != nil {
		return "", err
	}
	if hasModes && info.Mode().Perm() != 0o700 {
		if err := os.Chmod(folder, 0o700); err != nil { //nolint:gosec // G302 takes it for a file; a folder can't be entered without the x
			return "", fmt.Errorf("session: closing the folder to others: %w", err)
		}
	}
	return folder, nil
}

// checkFolder refuses a folder that others may have put something into.
func checkFolder(folder string) (fs.FileInfo, error) {
	info, err := os.Lstat(folder)
	switch {
	case err != nil:
		return nil, fmt.Errorf("session: looking at the folder: %w", err)
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, fmt.Errorf("session: %s is a link; name the folder that it leads to", folder)
	case !info.IsDir():
		return nil, fmt.Errorf("session: %s is not a folder", folder)
	case !ownedByUs(info):
		return nil, fmt.Errorf("session: the folder %s belongs to another user than the one who runs this program", folder)
	case hasModes && info.Mode().Perm()&0o022 != 0:
		return nil, fmt.Errorf("session: others can write the folder %s (mode %04o); make sure that what is in it is yours, then: chmod 700 %[1]s", folder, info.Mode().Perm())
	}
	return info, nil
}
