package apptest

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/patdesk/patdesk/internal/session/sessiontest"
	"github.com/patdesk/patdesk/internal/testkit"
)

// StoreFaults are those that can be brought about here, each with a folder of its own. A disk takes the right to mount
// one, which root has; everybody else can be kept from writing.
func StoreFaults(t *testing.T) []StoreFault {
	t.Helper()
	faults := []StoreFault{FolderGone(t)}
	if os.Geteuid() != 0 {
		return append(faults, folderClosed(t))
	}
	if !sessiontest.MayMount() {
		return faults
	}
	return append(faults, diskFull(t), diskFullOfFiles(t), diskReadOnly(t))
}

// folderClosed: the right to write is taken away.
func folderClosed(t *testing.T) StoreFault {
	dir := filepath.Join(t.TempDir(), "sessions")
	chmod := func(mode fs.FileMode) func() {
		return func() {
			testkit.Must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
				if err != nil || !e.IsDir() {
					return err
				}
				return os.Chmod(path, mode)
			}))
		}
	}
	return StoreFault{"folder closed", dir, chmod(0o500), chmod(0o700)}
}

func diskFull(t *testing.T) StoreFault {
	disk := sessiontest.NewDisk(t, "size=1m")
	return StoreFault{"disk full", filepath.Join(disk.Dir, "sessions"), disk.Fill, disk.Empty}
}

// diskFullOfFiles has room for bytes, and for no more files.
func diskFullOfFiles(t *testing.T) StoreFault {
	disk := sessiontest.NewDisk(t, "size=10m,nr_inodes=1000")
	return StoreFault{"disk full of files", filepath.Join(disk.Dir, "sessions"), disk.FillInodes, disk.Empty}
}

func diskReadOnly(t *testing.T) StoreFault {
	disk := sessiontest.NewDisk(t, "size=1m")
	return StoreFault{"disk read-only", filepath.Join(disk.Dir, "sessions"), func() { disk.Remount("ro") }, func() { disk.Remount("rw") }}
}
