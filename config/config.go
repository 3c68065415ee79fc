// Package config holds what an operator can set: where each setting is read from, what it may be, what it means when it
// is left out, and what to say when it is wrong.
//
// What belongs here: an environment variable, the .env file, and every sentence that an operator reads about them. It
// imports none of our packages and touches no network; a setting that names a file is checked to be readable.
//
// The flow is short: Load makes a source (environment over .env), asks it for one setting after the other, and hands
// back a Config with every fault in one list, so that an operator mends all of them in one go. Flags that override a
// setting are given by wrapping getenv.
package config

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"time"
)

// Config is what patdesk runs with: checked, with defaults filled in.
type Config struct {
	ClientID       string
	Credential     Credential
	Authority      string   // https://login.microsoftonline.com/{tenant}, no trailing slash
	AllowedTenants []string // lower-case GUIDs; empty: all that the authority accepts
	RedirectPath   string   // "/getAToken", below the public address
	Scopes         []string // of the API; OpenID Connect's own scopes are not among them

	Endpoint          string   // of the PAT API, without organization, no trailing slash
	APIVersion        string   // "7.1-preview.1"
	Organizations     []string // the one named in ENDPOINT comes first; empty: discover them
	DiscoveryEndpoint string   // of profile and accounts, no trailing slash
	Vaults            Vaults   // people's own, for their tokens' secrets

	ListenAddress  string // host:port, where an empty host is all interfaces and port 0 any free one; or unix:/path
	BaseURL        string // as people open it, no trailing slash, sub-path kept; "" if not set
	AllowHTTP      bool   // the operator wants a public address without https
	TrustedProxies []netip.Prefix
	ShutdownDelay  time.Duration // how long a stopping process goes on while /readyz fails

	Redis             *Redis // nil: sessions are kept in SessionDir
	SessionDir        string
	SessionDirGroup   bool     // SessionDir may be its group's; SessionKeys aren't empty then
	SessionKeys       []Secret // 32 bytes or more each, newest first; empty: made and kept in SessionDir; never empty with Redis
	IdleTimeout       time.Duration
	Lifetime          time.Duration
	SessionsPerPerson int // 0: 10,000
	SecretDisplayTime time.Duration

	SignInsPerMinute int // that one network may begin; 0: any number
	ChangesPerMinute int // requests of one person that change something; 0: any number

	LogLevel  slog.Level
	LogFormat string // "text" or "json"

	MetricsAddress string // host:port of the listener for Prometheus; "": none
	Traces         Traces

	// Warnings are for the operator's eyes at start and in -check: nothing that stops patdesk, but worth knowing.
	Warnings []string
}

// Traces is where OpenTelemetry traces are sent. The other settings of OpenTelemetry are read by its library.
type Traces struct {
	Endpoint string            // the address that spans are posted to, with its path; "": no traces
	Headers  map[string]Secret // sent with them
	Gzip     bool
	Timeout  time.Duration // of one try; 0: not set
}

// Credential is how patdesk proves to Entra ID that it is the registered app. A valid Config has exactly one kind.
type Credential struct {
	Secret              Secret
	CertificateFile     string // PEM or PFX with certificate and RSA key
	CertificatePassword Secret // of CertificateFile, if it has one
	AssertionFile       string // of workload identity federation: its content changes while patdesk runs
	VaultURL            string // of an Azure Key Vault, no trailing slash, that holds one of the following
	VaultSecret         string // the name of a secret there, or
	VaultCertificate    string // the name of a certificate there
}

// Load reads the settings from the environment, given as getenv, and from the file dotenv, of which the environment
// wins. The file need not exist; with dotenv "" none is read. It is never copied into the process's own environment, so
// that its secrets aren't handed to child processes or crash reports.
//
// An error is always of type Faults. The Config then still carries its warnings and what could be read.
func Load(getenv func(string) string, dotenv string) (Config, error) {
	s := newSource(getenv, dotenv)
	var c Config
	readEntra(s, &c)
	readAzureDevOps(s, &c)
	readVaults(s, &c)
	readServing(s, &c)
	readSessions(s, &c)
	readLimits(s, &c)
	readLog(s, &c)
	readTelemetry(s, &c)
	s.addContradictions(c.contradictions())
	advise(s, c)
	s.warnOfSystem(runtime.GOOS, c)
	c.Warnings = s.shownWarnings()
	return c, s.err()
}

// PublicURL is the address that people open, without a trailing slash: BASE_URL, or else the listening address if that
// is only reachable from this machine. It is "" if only a trusted proxy's headers say it.
func (c Config) PublicURL() string {
	if c.BaseURL != "" {
		return c.BaseURL
	}
	host, port, err := net.SplitHostPort(c.ListenAddress)
	if err != nil || len(c.TrustedProxies) > 0 || !isLoopback(host) || port == "0" {
		return ""
	}
	return "http://" + net.JoinHostPort(host, port)
}

// RedirectURI is what has to be registered with the app, letter by letter. It is "" as long as PublicURL is.
func (c Config) RedirectURI() string {
	if c.PublicURL() == "" {
		return ""
	}
	return c.PublicURL() + c.RedirectPath
}

// Secure reports whether people come over https, so that cookies may and must be bound to it. Where a trusted proxy's
// headers give the address, only https is accepted from them.
func (c Config) Secure() bool {
	if c.BaseURL != "" {
		return strings.HasPrefix(c.BaseURL, "https://")
	}
	return c.AddressFromProxies()
}

// AddressFromProxies reports whether trusted proxies' headers give the public address.
func (c Config) AddressFromProxies() bool { return c.BaseURL == "" && len(c.TrustedProxies) > 0 }

// ListenSocket is the path of the Unix socket to listen on; "" if it is TCP. Every peer there is the proxy.
func (c Config) ListenSocket() string {
	path, is := strings.CutPrefix(c.ListenAddress, socketPrefix)
	if !is {
		return ""
	}
	return path
}

// ListensOnLoopback reports whether only this machine can connect.
func (c Config) ListensOnLoopback() bool {
	return c.ListenSocket() != "" || onLoopback(c.ListenAddress)
}

// MeasuredOnLoopback reports whether only this machine can read the metrics.
func (c Config) MeasuredOnLoopback() bool {
	return c.MetricsAddress == "" || onLoopback(c.MetricsAddress)
}

func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && isLoopback(host)
}

// Keys are SessionKeys in clear, newest first; nil if none were given.
func (c Config) Keys() [][]byte {
	var keys [][]byte
	for _, k := range c.SessionKeys {
		keys = append(keys, []byte(k.Reveal()))
	}
	return keys
}

// Instance distinguishes several copies of patdesk under one host name, whose cookies a browser would otherwise mix up:
// cookies don't know ports. It is the same for all replicas of one deployment, and after a restart.
func (c Config) Instance() string {
	sum := sha256.Sum256([]byte(c.ClientID + "\n" + c.PublicURL()))
	return hex.EncodeToString(sum[:4])
}

// isLoopback reports whether host, a name or an address without port, always means this machine.
func isLoopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}
