package session_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// Tests of several processes start this test program again with these two set.
const (
	roleVariable = "SESSION_TEST_ROLE"
	dirVariable  = "SESSION_TEST_DIR"
)

// roles are what such a process can do in a folder. What it prints is its result.
var roles = map[string]func(dir string) error{
	"keys":                 printKeys,
	"hold a lock":          holdLock,
	"count":                countUnderLock,
	"mix":                  readAndWrite,
	"write":                writeUntilKilled,
	"use a group's folder": useGroupFolder,
}

func TestMain(m *testing.M) {
	role, ok := roles[os.Getenv(roleVariable)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := role(os.Getenv(dirVariable)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// process is this test program, to be started in the given role.
func process(t *testing.T, role, dir string) *exec.Cmd {
	t.Helper()
	if roles[role] == nil {
		t.Fatalf("there is no role %q", role)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role, dirVariable+"="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}
