//go:build unix

package session

import (
	"io/fs"
	"os"
	"slices"
	"syscall"
)

const (
	noFollow    = syscall.O_NOFOLLOW // for opening: fail if it is a link
	hasModes    = true               // files have modes for owner, group and others
	foldersSync = true               // a folder can be synced like a file
)

// ownedByUs reports whether the file belongs to the user that runs this program.
func ownedByUs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int64(stat.Uid) == int64(os.Geteuid())
}

// groupOfOurs reports whether the user that runs this program is in the file's group.
func groupOfOurs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	groups, err := os.Getgroups()
	return int64(stat.Gid) == int64(os.Getegid()) || err == nil && slices.Contains(groups, int(stat.Gid))
}
