package sessiontest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Disk is a small one in memory, which takes the right to mount it. It is seen by no other process, and goes with this
// process, however that ends: it is mounted for a shell alone that ends with its input.
type Disk struct {
	Dir string // the root of the disk

	t       testing.TB
	mounted string // as the shell sees it
	in      io.Writer
	out     *bufio.Reader
}

// MayMount reports whether this process may mount disks, as root outside of most containers may.
func MayMount() bool {
	return exec.CommandContext(context.Background(), "unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/tmp").Run() == nil
}

// NewDisk mounts a disk with these options of tmpfs, "size=1m".
func NewDisk(tb testing.TB, options string) *Disk {
	tb.Helper()
	shell := exec.CommandContext(context.Background(), "unshare", "--mount", "sh") // it ends with its input
	in, err := shell.StdinPipe()
	var out io.Reader
	if err == nil {
		out, err = shell.StdoutPipe()
	}
	if err == nil {
		err = shell.Start()
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = in.Close()
		_ = shell.Wait()
	})
	d := &Disk{t: tb, mounted: tb.TempDir(), in: in, out: bufio.NewReader(out)}
	d.Dir = filepath.Join("/proc", fmt.Sprint(shell.Process.Pid), "root", d.mounted)
	d.mount("-t tmpfs", options)
	return d
}

// Remount changes the disk's options: "ro".
func (d *Disk) Remount(options string) {
	d.t.Helper()
	d.mount("-o remount", options)
}

func (d *Disk) mount(how, options string) {
	d.t.Helper()
	_, err := fmt.Fprintf(d.in, "mount %s -o mode=0700,%s tmpfs %s 2>&1; echo $?\n", how, options, d.mounted)
	said := ""
	for err == nil && said != "0\n" {
		if said, err = d.out.ReadString('\n'); err == nil && said != "0\n" {
			err = errors.New(strings.TrimSpace(said))
		}
	}
	if err != nil {
		d.t.Fatalf("mounting a small disk: %v", err)
	}
}

// Fill leaves no room on the disk, and Empty takes that back.
func (d *Disk) Fill() {
	d.t.Helper()
	if err := os.WriteFile(d.ballast(), make([]byte, 4<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		d.t.Fatalf("filling the disk: %v", err)
	}
}

// FillInodes leaves no room for another file, and Empty takes that back.
func (d *Disk) FillInodes() {
	d.t.Helper()
	err := os.Mkdir(d.ballast(), 0o700)
	for i := 0; err == nil && i < 10_000; i++ {
		err = os.WriteFile(filepath.Join(d.ballast(), fmt.Sprint(i)), nil, 0o600)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		d.t.Fatalf("filling the disk with files: %v", err)
	}
}

// Empty makes room again.
func (d *Disk) Empty() {
	d.t.Helper()
	if err := os.RemoveAll(d.ballast()); err != nil {
		d.t.Fatal(err)
	}
}

func (d *Disk) ballast() string { return filepath.Join(d.Dir, "ballast") }
