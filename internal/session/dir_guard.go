package session

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrGroupFolder is what OpenDir's error is, too, if OpenGroupDir would take the folder.
var ErrGroupFolder = errors.New("session: the folder is its group's")

// refusedForGroup is an error that is ErrGroupFolder without saying so.
type refusedForGroup struct{ error }

// Is makes errors.Is(err, ErrGroupFolder) true.
func (refusedForGroup) Is(target error) bool { return target == ErrGroupFolder }

// access is who beside root may use a folder and what is in it.
type access struct {
	group        bool
	folder, file fs.FileMode // of what is made
}

var (
	ownerOnly = access{folder: 0o700, file: 0o600}
	// withGroup lets the group replace records, for which the right to write their folders is enough.
	withGroup = access{group: true, folder: 0o770, file: 0o640}
)

// prepareFolder makes the folder if it isn't there, takes from others the right to read it, and says why if it can't be
// trusted. It returns the cleaned path: with a slash at its end a link would be followed.
func prepareFolder(folder string, who access) (string, error) {
	folder = filepath.Clean(folder)
	if err := os.MkdirAll(folder, who.folder); err != nil {
		return "", fmt.Errorf("session: making the folder: %w", err)
	}
	info, err := checkFolder(folder, who)
	if err != nil {
		return "", err
	}
	if who.group {
		if mode, less := openedToGroup(info); less {
			_ = os.Chmod(folder, mode) // what can't be opened to its group is still ours
		}
		return folder, nil
	}
	if hasModes && info.Mode().Perm() != 0o700 {
		if err := os.Chmod(folder, 0o700); err != nil { //nolint:gosec // G302 takes it for a file; a folder can't be entered without the x
			return "", fmt.Errorf("session: closing the folder to others: %w", err)
		}
	}
	return folder, nil
}

// openedToGroup is the mode with which the group can use a folder, and whether it isn't that of the folder: the umask may
// have taken rights away. Only its owner can change it.
func openedToGroup(info fs.FileInfo) (mode fs.FileMode, less bool) {
	mode = info.Mode() | 0o070
	return mode, hasModes && ownedByUs(info) && mode != info.Mode()
}

// checkFolder refuses a folder that others may have put something into.
func checkFolder(folder string, who access) (fs.FileInfo, error) {
	info, err := os.Lstat(folder)
	switch {
	case err != nil:
		return nil, fmt.Errorf("session: looking at the folder: %w", err)
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, fmt.Errorf("session: %s is a link; name the folder that it leads to", folder)
	case !info.IsDir():
		return nil, fmt.Errorf("session: %s is not a folder", folder)
	}
	if who.group {
		return info, checkGroup(folder, info)
	}
	switch {
	case !ownedByUs(info):
		err = fmt.Errorf("session: the folder %s belongs to another user than the one who runs this program", folder)
	case hasModes && info.Mode().Perm()&0o022 != 0:
		err = fmt.Errorf("session: others can write the folder %s (mode %04o); make sure that what is in it is yours, then: chmod 700 %[1]s", folder, info.Mode().Perm())
	}
	if err != nil && info.Mode().Perm()&0o030 == 0o030 && checkGroup(folder, info) == nil {
		err = refusedForGroup{err}
	}
	if err != nil {
		return nil, err
	}
	return info, nil
}

// checkGroup refuses a folder that others than its owner and its group can use, or that is another owner's and group's.
func checkGroup(folder string, info fs.FileInfo) error {
	switch {
	case !hasModes:
		return nil
	case info.Mode().Perm()&0o007 != 0:
		return fmt.Errorf("session: others than its group can get at the folder %s (mode %04o)", folder, info.Mode().Perm())
	case !ownedByUs(info) && !groupOfOurs(info):
		return fmt.Errorf("session: the folder %s belongs to another user and another group than those who run this program", folder)
	}
	return nil
}
