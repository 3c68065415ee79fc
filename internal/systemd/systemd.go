// Package systemd speaks with the service manager that has started the program: it takes over the sockets that were
// handed over (sd_listen_fds(3)) and says how the program stands (sd_notify(3)). Without such a manager nothing happens.
//
// What belongs here: the environment variables of that protocol, and its words. What is ready, internal/app knows.
package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

// metricsName is what a socket for Prometheus is called: FileDescriptorName= of its unit. A socket of any other name is
// the one for people.
const metricsName = "metrics"

// Sockets are the listeners that were handed over; nil where there was none. They outlive the process, with all
// connections that haven't been accepted yet.
type Sockets struct{ People, Metrics net.Listener }

// Take takes over the sockets that were meant for this process, once: their variables are taken out of the environment.
// More than one for people is an error.
func Take() (Sockets, error) {
	var s Sockets
	for _, file := range activation.Files(true) {
		name := file.Name()
		listener, err := net.FileListener(file)
		_ = file.Close() // the listener has a copy
		to := &s.People
		if name == metricsName {
			to = &s.Metrics
		}
		switch {
		case err != nil:
			return s, fmt.Errorf("the socket %q isn't one to accept connections from: it takes ListenStream= and Accept=no", name)
		case *to != nil:
			_ = listener.Close() // it isn't used
			return s, errors.New("there are several: patdesk takes one for people, and one with FileDescriptorName=" + metricsName + " for Prometheus")
		}
		*to = listener
	}
	return s, nil
}

// Address is the address of a socket that was handed over, in the form of LISTEN_ADDRESS; "" for nil.
func Address(l net.Listener) string {
	switch {
	case l == nil:
		return ""
	case l.Addr().Network() == "unix":
		return "unix:" + l.Addr().String()
	default:
		return l.Addr().String()
	}
}

// Manager is the service manager. The methods of a nil one do nothing.
type Manager struct {
	mu     sync.Mutex
	status string // the last one
}

// New returns the service manager that wants to know how this process stands; nil if there is none.
func New() *Manager {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return nil
	}
	return &Manager{}
}

// Ready says that the program serves, or does so again, and in a sentence how it stands.
func (m *Manager) Ready(status string) { m.notify(status, daemon.SdNotifyReady) }

// Reloading says that the settings are being read again. Ready ends it.
func (m *Manager) Reloading() {
	m.notify("Reading the settings again", daemon.SdNotifyReloading, daemon.SdNotifyMonotonicUsec())
}

// Stopping says that the program ends.
func (m *Manager) Stopping(status string) { m.notify(status, daemon.SdNotifyStopping) }

// Status says how the program stands, if that is something new.
func (m *Manager) Status(status string) { m.notify(status) }

// Alive says that the program isn't stuck.
func (m *Manager) Alive() {
	if m != nil {
		_, _ = daemon.SdNotify(false, daemon.SdNotifyWatchdog) // see notify
	}
}

// WatchEvery is how often Alive is expected, with time to spare; 0: not at all.
func (m *Manager) WatchEvery() time.Duration {
	if m == nil {
		return 0
	}
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return 0 // the variables are another process's
	}
	return limit / 2
}

// notify sends states and status, of which each is a line. Errors are dropped: the manager is gone then.
func (m *Manager) notify(status string, states ...string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(states) == 0 && status == m.status {
		return
	}
	m.status = status
	lines := make([]string, 0, len(states)+1)
	for _, s := range append(states, "STATUS="+strings.ReplaceAll(status, "\n", " ")) {
		if s = strings.TrimSpace(s); s != "" {
			lines = append(lines, s)
		}
	}
	_, _ = daemon.SdNotify(false, strings.Join(lines, "\n"))
}
