package backing

import (
	"errors"
	"net"
	"syscall"

	"github.com/patdesk/patdesk/config"
)

// ListenFault words err, why the address in setting can't be listened on.
func ListenFault(setting, address string, err error) config.Fault {
	f := config.Fault{Setting: setting, Problem: "can't be listened on: " + address, Fix: "Put an address of this machine there, such as localhost:5000 or :5000."}
	var unknown *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		f.Problem, f.Fix = f.Problem+" is taken by another program", "Stop that one, or choose another port: -listen host:port or "+setting+"."
		if setting != "LISTEN_ADDRESS" {
			f.Fix = "Stop that one, or choose another port: " + setting + "."
		}
	case errors.Is(err, syscall.EACCES):
		f.Problem, f.Fix = f.Problem+" is not permitted", "Ports below 1024 need a privilege: choose a higher one."
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		f.Problem += " is not an address of this machine"
	case errors.As(err, &unknown):
		f.Problem += " has a name that can't be looked up"
	}
	return f
}
