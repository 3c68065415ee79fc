package freeport_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/freeport"
)

// asked is how many ports one process of TestNoPortTwice asks for: more than are claimed at once.
const asked = 150

// Two processes that run at the same time never get the same port, and neither does one.
func TestNoPortTwice(t *testing.T) {
	t.Parallel()
	if os.Getenv("FREEPORT_ANOTHER") != "" {
		another(t)
		return
	}
	holders := map[string]int{}
	for i := range 5 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNoPortTwice$")
		cmd.Env = append(os.Environ(), "FREEPORT_ANOTHER=yes")
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = stdin.Close(), cmd.Wait() })
		lines := bufio.NewScanner(stdout)
		for range asked {
			if !lines.Scan() {
				t.Fatalf("process %d ended early", i)
			}
			port, isOne := strings.CutPrefix(lines.Text(), "port ")
			if !isOne {
				t.Fatalf("process %d says %q", i, lines.Text())
			}
			if by, taken := holders[port]; taken {
				t.Errorf("processes %d and %d have got port %s", by, i, port)
			}
			holders[port] = i
		}
	}
}

// another is one of these processes, which holds on to its ports until it has been compared with all others.
func another(t *testing.T) {
	for range asked {
		fmt.Println("port", freeport.Port(t))
	}
	_, _ = os.Stdin.Read(make([]byte, 1)) // until it is closed
}
