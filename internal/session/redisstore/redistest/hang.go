//go:build unix

package redistest

import (
	"os"
	"syscall"
)

// Hang makes the server stop answering, with its connections open. Wake ends that.
func (s *Server) Hang() { s.signal(syscall.SIGSTOP) }

// Wake ends Hang.
func (s *Server) Wake() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(signal os.Signal) {
	s.tb.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.tb.Fatal(err)
	}
}
