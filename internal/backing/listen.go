package backing

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"strings"
	"syscall"

	"github.com/patdesk/patdesk/config"
)

// Listen listens at address: host:port, or unix:/path. Errors are worded by ListenFault.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	if path, is := strings.CutPrefix(address, "unix:"); is {
		return listenSocket(ctx, path)
	}
	return (&net.ListenConfig{}).Listen(ctx, "tcp", address)
}

// ListenFault words err, why the address in setting can't be listened on.
func ListenFault(setting, address string, err error) config.Fault {
	f := config.Fault{Setting: setting, Problem: "can't be listened on: " + address, Fix: "Put an address of this machine there, such as localhost:5000 or :5000."}
	var unknown *net.DNSError
	switch {
	case strings.HasPrefix(address, "unix:"):
		return socketFault(f, err)
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

// socketFault words why a Unix socket can't be listened on.
func socketFault(f config.Fault, err error) config.Fault {
	switch {
	case errors.Is(err, errNoSocket):
		f.Problem, f.Fix = f.Problem+" is there, and isn't a socket", "Choose another path, or remove what is there."
	case errors.Is(err, syscall.EADDRINUSE):
		f.Problem, f.Fix = f.Problem+" is taken by another program", "Stop that one, or choose another path."
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		f.Problem, f.Fix = f.Problem+" is in a folder that doesn't exist", "Make the folder for the user that runs patdesk; with systemd: RuntimeDirectory=patdesk."
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		f.Problem, f.Fix = f.Problem+" is in a folder that patdesk can't read and write", "Let the user that runs patdesk do so, or choose another folder."
	default:
		f.Problem, f.Fix = f.Problem+": "+err.Error(), "Choose another path on a local disk, such as unix:/run/patdesk/patdesk.sock."
	}
	return f
}
