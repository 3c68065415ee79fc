package network

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Every cause is named, however deep it lies, and no address or query with it.
func TestCause(t *testing.T) {
	t.Parallel()
	shown := func(err error) error {
		return &tls.CertificateVerificationError{
			UnverifiedCertificates: []*x509.Certificate{{Issuer: pkix.Name{CommonName: "Contoso Inspection " + strings.Repeat("x", 200)}}}, Err: err,
		}
	}
	dial := func(op string, err error) error { return &net.OpError{Op: op, Net: "tcp", Err: err} }
	for want, err := range map[string]error{
		"the proxy p:3128 wants user and password (407): put them into HTTPS_PROXY":     &Refusal{"p:3128", 407},
		"the proxy p:3128 doesn't let this call through (403)":                          fmt.Errorf("more: %w", &Refusal{"p:3128", 403}),
		"the proxy in HTTPS_PROXY can't be reached":                                     dial("proxyconnect", dial("dial", syscall.ECONNREFUSED)),
		"it shows a certificate of an authority that isn't trusted here (\"CN=Contoso ": shown(x509.UnknownAuthorityError{}),
		"it shows a certificate of an authority that isn't trusted here: name that":     x509.UnknownAuthorityError{},
		"it shows a certificate for another name (\"CN=Contoso ":                        shown(x509.HostnameError{Certificate: &x509.Certificate{}}),
		"it shows a certificate that isn't valid today":                                 shown(x509.CertificateInvalidError{Reason: x509.Expired}),
		"it shows a certificate that isn't valid (\"CN=Contoso ":                        shown(x509.CertificateInvalidError{Reason: x509.NotAuthorizedToSign}),
		"its name can't be looked up (no such host)":                                    dial("dial", &net.DNSError{Err: "no such host", Name: "canary.example"}),
		"connection refused":     dial("dial", os.NewSyscallError("connect", syscall.ECONNREFUSED)),
		"connection reset":       dial("read", os.NewSyscallError("read", syscall.ECONNRESET)),
		"network is unreachable": dial("dial", os.NewSyscallError("connect", syscall.ENETUNREACH)),
		"no route to host":       dial("dial", os.NewSyscallError("connect", syscall.EHOSTUNREACH)),
		"timeout":                dial("dial", os.ErrDeadlineExceeded),
		"EOF":                    io.ErrUnexpectedEOF,
		"":                       errors.New("something about canary"),
	} {
		got := Cause(&url.Error{Op: "Get", URL: "https://login.example/?canary", Err: err})
		if !strings.HasPrefix(got, want) || want == "" && got != "" || strings.Contains(got, "canary") || len(got) > 300 {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

// A proxy that opens the way is no failure; every other answer is, without the user and password of its address.
func TestRefusedByProxy(t *testing.T) {
	t.Parallel()
	proxy := &url.URL{Scheme: "http", User: url.UserPassword("me", "canary"), Host: "p:3128"}
	if err := RefusedByProxy(context.Background(), proxy, nil, &http.Response{StatusCode: http.StatusOK}); err != nil {
		t.Error(err)
	}
	for _, status := range []int{301, 400, 403, 407, 429, 500, 502, 503, 511} {
		err := RefusedByProxy(context.Background(), proxy, nil, &http.Response{StatusCode: status})
		if err == nil || !strings.Contains(err.Error(), "p:3128 ") || !strings.Contains(err.Error(), fmt.Sprintf("(%d)", status)) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		values []string
		want   time.Duration
	}{
		{nil, 0},
		{[]string{""}, 0},
		{[]string{" 7 "}, 7 * time.Second},
		{[]string{"-7"}, 0},
		{[]string{"1.5"}, 1500 * time.Millisecond},
		{[]string{"5, 20"}, 20 * time.Second},
		{[]string{"5", "30s"}, 30 * time.Second},
		{[]string{"1000000000"}, time.Hour},
		{[]string{"NaN"}, 0},
		{[]string{"Sun, 22 Nov 2026 10:01:00 GMT"}, time.Minute},
		{[]string{"2026-11-22T10:01:00Z"}, time.Minute},
		{[]string{"Sun, 22 Nov 2026 09:00:00 GMT"}, 0},
		{[]string{"Mon, 22 Nov 2027 10:00:00 GMT"}, time.Hour},
	} {
		if got := RetryAfter(http.Header{"Retry-After": c.values}, now, time.Hour); got != c.want {
			t.Errorf("%q: %s, want %s", c.values, got, c.want)
		}
	}
}
