package config

import (
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// readServing reads how browsers reach patdesk.
func readServing(s *source, c *Config) {
	c.RedirectPath = readRedirectPath(s)
	c.ListenAddress = readListenAddress(s)
	c.BaseURL = readBaseURL(s)
	c.AllowHTTP = s.readBool(allowHTTP)
	c.TrustedProxies = readTrustedProxies(s)
	c.ShutdownDelay = s.readDuration(shutdownDelay, 0, time.Minute)
	if c.BaseURL == "" && len(c.TrustedProxies) == 0 {
		c.ShutdownDelay = 0 // there is nothing in front that would have to notice
	}
}

// plainPath is a path of ordinary segments. Entra ID takes no ! $ ' ( ) , ; in a redirect URI, and compares it letter
// by letter, so nothing that needs escaping is let in: https://learn.microsoft.com/entra/identity-platform/reply-url
var plainPath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)

func readRedirectPath(s *source) string {
	path := s.text(redirectPath)
	if path == "" {
		return ""
	}
	fix := "Put a path such as " + defaultOf(redirectPath) + " there, and register the whole address with the app."
	switch {
	case strings.Contains(path, "://"):
		s.fault(redirectPath, "is a whole address: "+quote(path), "Put only the path there, without host. The host comes from "+baseURL+".")
	case !strings.HasPrefix(path, "/"):
		s.fault(redirectPath, "doesn't begin with /: "+quote(path), fix)
	case !isPlainPath(path):
		s.fault(redirectPath, "isn't a plain path: "+quote(path), fix)
	default:
		return path
	}
	return ""
}

// isPlainPath takes "" too, the root.
func isPlainPath(path string) bool {
	segments := strings.Split(path, "/")
	dots := slices.Contains(segments, ".") || slices.Contains(segments, "..")
	return path == "" || plainPath.MatchString(path) && !dots
}

func readListenAddress(s *source) string {
	if socketLike.MatchString(s.raw(listenAddress)) {
		return readSocket(s, s.text(listenAddress))
	}
	return s.readHostPort(listenAddress, "Put host:port there: localhost:5000 for this machine alone, :5000 for all its addresses. A Unix socket is written "+socketExample+".")
}

// socketLike finds sockets, and what may be meant as one.
var socketLike = regexp.MustCompile(`^(unix:|\.?/|@)`)

const (
	socketPrefix  = "unix:"
	socketExample = "unix:/run/patdesk/patdesk.sock"
	// maxSocketPath is how long a socket's path can be on Linux, in bytes (unix(7)). Other systems have some bytes less.
	maxSocketPath = 107
)

// readSocket reads the address of a Unix socket: unix:/path or unix:///path.
func readSocket(s *source, address string) string {
	path, prefixed := strings.CutPrefix(address, socketPrefix)
	path = strings.TrimPrefix(path, "//")
	fix := "Put " + socketExample + " there, in a folder that the reverse proxy can enter."
	switch {
	case address == "": // text has said why
	case runtime.GOOS == "windows":
		s.fault(listenAddress, "is a Unix socket: "+quote(address), "Put host:port there: localhost:5000.")
	case strings.HasPrefix(path, "@"):
		s.fault(listenAddress, "is an abstract socket, to which everybody on this machine can connect: "+quote(address), fix)
	case !prefixed:
		s.fault(listenAddress, "is a path: "+quote(address), "If a Unix socket is meant, put "+socketPrefix+" in front: "+socketExample+".")
	case !filepath.IsAbs(path), strings.HasSuffix(path, "/"):
		s.fault(listenAddress, "isn't the whole path of a socket: "+quote(address), fix)
	case len(path) > maxSocketPath:
		s.fault(listenAddress, "has a path of "+strconv.Itoa(len(path))+" bytes, and sockets can have "+strconv.Itoa(maxSocketPath)+" at most: "+quote(address), fix)
	default:
		return socketPrefix + filepath.Clean(path)
	}
	return ""
}

// readHostPort reads an address to listen on.
func (s *source) readHostPort(name, fix string) string {
	address := s.text(name)
	if address == "" {
		return ""
	}
	host, port, err := net.SplitHostPort(address)
	switch {
	case strings.HasPrefix(address, "unix:"), strings.HasPrefix(address, "/"), strings.HasPrefix(address, "./"), strings.HasPrefix(address, "@"):
		s.fault(name, "is a Unix socket: "+quote(address), "Prometheus asks over TCP alone. "+fix)
	case strings.Contains(address, "://"):
		s.fault(name, "is a URL: "+quote(address), "Leave out http:// and the path. "+fix)
	case err != nil:
		s.fault(name, "isn't host:port: "+quote(address), fix+" An IPv6 address needs brackets: [::1]:5000.")
	case !validPort(port, 0):
		s.fault(name, "has a port that isn't a number from 0 to 65535: "+quote(address), fix)
	case host != "" && !validHost(host):
		s.fault(name, "has a host that isn't a name or an address: "+quote(address), fix)
	default:
		return address
	}
	return ""
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)

func validHost(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || hostName.MatchString(host)
}

func validPort(port string, least int) bool {
	n, err := strconv.Atoi(port)
	return err == nil && n >= least && n <= 65535 && port[0] != '+'
}

const baseURLFix = "Put the address there that people open, for example https://patdesk.example.com or https://example.com/pat."

func readBaseURL(s *source) string {
	u := s.readURL(baseURL, baseURLFix)
	if u == nil {
		return ""
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/") // %2f is no slash, and refused with all that is escaped
	if !isPlainPath(path) {
		s.fault(baseURL, "has a path that isn't a plain one: "+quote(u.EscapedPath()), baseURLFix)
		return ""
	}
	return u.Scheme + "://" + withoutDefaultPort(u) + path
}

// withoutDefaultPort writes the host as a browser does in its Origin header, with which it is compared.
func withoutDefaultPort(u *url.URL) string {
	if u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80" {
		return strings.TrimSuffix(u.Host, ":"+u.Port())
	}
	return u.Host
}

func (s *source) readBool(name string) bool {
	value := s.text(name)
	yes, err := strconv.ParseBool(value)
	if err != nil && value != "" {
		s.fault(name, "is neither true nor false: "+quote(value), `Put "true" or "false" there.`)
	}
	return yes
}

func readTrustedProxies(s *source) []netip.Prefix {
	var proxies []netip.Prefix
	for _, entry := range list(s.text(trustedProxies)) {
		prefix, ok := parsePrefix(entry)
		switch {
		case !ok:
			s.fault(trustedProxies, "has an entry that isn't an address or a network: "+quote(entry),
				"Put the proxies' addresses there, separated by commas: 10.0.0.7 or 10.0.0.0/24. Names aren't looked up.")
		case prefix.Addr().Is4() && prefix.Bits() < 8, prefix.Addr().Is6() && prefix.Bits() < 7:
			s.fault(trustedProxies, "has a network that takes in strangers: "+quote(entry),
				"Name the proxies alone. Whoever is in there can make up the address that people are sent back to.")
		default:
			proxies = append(proxies, prefix)
		}
	}
	return proxies
}

// parsePrefix reads a network or a single address. IPv4 written as IPv6 is taken as IPv4.
func parsePrefix(entry string) (netip.Prefix, bool) {
	if address, err := netip.ParseAddr(entry); err == nil && address.Zone() == "" {
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), true
	}
	prefix, err := netip.ParsePrefix(entry)
	if err != nil {
		return netip.Prefix{}, false
	}
	if prefix.Addr().Is4In6() {
		if prefix.Bits() < 96 {
			return netip.Prefix{}, false
		}
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), true
}
