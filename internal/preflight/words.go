package preflight

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// What to do about a call that didn't come through.
const (
	adviceTimeout = "Something on the way swallows the call. Look at the firewall; if this network has a proxy for the way out, " +
		"name it in HTTPS_PROXY, in the environment."
	adviceRefused   = "Look if host and port are right, and if a firewall refuses the call."
	adviceNoName    = "Look if the name is right and if this machine can look up names. In a network without them HTTPS_PROXY names the proxy that does."
	adviceInspected = "If that is the authority by which your network inspects traffic, put its certificate (PEM) into a file and name that in SSL_CERT_FILE, in the environment. " +
		"Otherwise somebody else is answering."
	adviceProxy = "Look if HTTPS_PROXY is right and the proxy runs; hosts that have to be reached without it belong into NO_PROXY."
)

// words says why a call didn't come through, and what to do.
func (t attempt) words() (found, advice string) {
	if found, advice = t.proxyWords(); found != "" {
		return found, advice
	}
	if found, advice = certificateWords(t.Err); found == "" {
		found, advice = connectionWords(t.Err)
	}
	return t.Host + ", asked " + t.way() + ", " + found + ".", advice
}

func connectionWords(err error) (found, advice string) {
	for _, known := range []struct {
		is            bool
		found, advice string
	}{
		{isTimeout(err), "doesn't answer", adviceTimeout},
		{isUnknownName(err), "isn't a name that this machine can look up", adviceNoName},
		{errors.Is(err, syscall.ECONNREFUSED), "refuses the connection", adviceRefused},
		{errors.Is(err, syscall.EHOSTUNREACH), "can't be reached: there is no way to it", adviceRefused},
		{errors.Is(err, syscall.ENETUNREACH), "can't be reached: there is no way to its network", adviceRefused},
		{isNoTLS(err), "doesn't speak TLS on that port", "Look if host and port are right."},
		{errors.Is(err, syscall.ECONNRESET), "cuts the connection", adviceRefused},
		{errors.Is(err, io.EOF), "ends the connection without an answer", adviceRefused},
	} {
		if known.is {
			return known.found, known.advice
		}
	}
	return "can't be reached", adviceRefused
}

// proxyWords are for what the proxy does; "" if it isn't the one.
func (t attempt) proxyWords() (found, advice string) {
	var op *net.OpError
	atProxy := errors.As(t.Err, &op) && op.Op == "proxyconnect"
	switch {
	case t.Connect == http.StatusProxyAuthRequired:
		return "The proxy " + t.Proxy + " wants user and password (407).", "Put them into HTTPS_PROXY: http://user:password@host:port."
	case t.Connect >= http.StatusBadRequest:
		return fmt.Sprintf("The proxy %s doesn't let %s through (%d).", t.Proxy, t.Host, t.Connect), "Have that host allowed there, or put it into NO_PROXY if it can be reached without."
	case atProxy && isTimeout(t.Err):
		return "The proxy " + t.Proxy + " doesn't answer.", adviceProxy
	case atProxy:
		return "The proxy " + t.Proxy + " can't be reached.", adviceProxy
	}
	return "", ""
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

func isUnknownName(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns)
}

func isNoTLS(err error) bool {
	var record tls.RecordHeaderError
	return errors.As(err, &record) || err != nil && strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

// certificateWords are for a certificate that isn't taken; "" if that isn't the reason.
func certificateWords(err error) (found, advice string) {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		refused *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &unknown):
		return "shows a certificate of an authority that isn't trusted here" + issuer(err), adviceInspected
	case errors.As(err, &name):
		return "shows a certificate for another name", "Somebody else is answering: look at the address, and at what the network does with it."
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "shows a certificate that isn't valid today (until " + invalid.Cert.NotAfter.UTC().Format(time.DateOnly) + ")", "Look at this machine's clock; if it is right, whoever runs that host has to renew the certificate."
	case errors.As(err, &refused), errors.As(err, &invalid):
		return "shows a certificate that isn't valid" + issuer(err), adviceInspected
	}
	return "", ""
}

// issuer names who signed the last certificate that was shown: operators see at once if it is their own network's.
func issuer(err error) string {
	var refused *tls.CertificateVerificationError
	if !errors.As(err, &refused) || len(refused.UnverifiedCertificates) == 0 {
		return ""
	}
	return " (" + quoted(refused.UnverifiedCertificates[len(refused.UnverifiedCertificates)-1].Issuer.String()) + ")"
}
