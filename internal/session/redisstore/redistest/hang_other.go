//go:build !unix

package redistest

// Hang fails the test: no process can be held there.
func (s *Server) Hang() {
	s.tb.Helper()
	s.tb.Fatal("a server can't be made to hang on this system")
}

// Wake ends Hang.
func (s *Server) Wake() {}
