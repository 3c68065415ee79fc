package app

import (
	"net/http"
	"testing"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/internal/testkit"
)

// A program that was put together and never served ends when it is told to, with its addresses free again.
func TestStopWithoutServing(t *testing.T) {
	env := map[string]string{
		"CLIENT_ID": "11111111-2222-4333-8444-555555555555", "CLIENT_SECRET": "unused", "SESSION_DIR": t.TempDir() + "/sessions",
		"LISTEN_ADDRESS": "127.0.0.1:0", "METRICS_ADDRESS": "127.0.0.1:0", "SHUTDOWN_DELAY": "0s",
	}
	cfg, err := config.Load(func(name string) string { return env[name] }, "")
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(t.Context(), cfg, Options{Log: &testkit.Log{}, Client: http.DefaultClient})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := a.Stop(); err != nil {
			t.Errorf("Stop: %v", err)
		}
	}
	for _, address := range []string{a.Address(), a.MetricsAddress()} {
		again, err := listen(t.Context(), "", address)
		if err != nil {
			t.Errorf("%s is still taken: %v", address, err)
			continue
		}
		_ = again.Close() // it was free
	}
}
