// Package network says in an operator's words what the network does to calls: which proxy refuses them and why, whose
// certificate isn't trusted, which name isn't known.
//
// What belongs here: what calls to all services have in common, why they fail and when to try again. It knows no service
// and makes no call.
package network

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Refusal is the answer of a proxy that was asked for the way to a host (CONNECT) and gave none.
type Refusal struct {
	Proxy  string // host:port, without user and password
	Status int
}

func (r *Refusal) Error() string {
	if r.Status == http.StatusProxyAuthRequired {
		return "the proxy " + r.Proxy + " wants user and password (407): put them into HTTPS_PROXY"
	}
	return fmt.Sprintf("the proxy %s doesn't let this call through (%d)", r.Proxy, r.Status)
}

// RefusedByProxy is for http.Transport.OnProxyConnectResponse: it makes a *Refusal of an answer of which net/http keeps
// the words alone.
func RefusedByProxy(_ context.Context, proxy *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return &Refusal{proxy.Host, answer.StatusCode}
}

// Cause says why a call brought no answer, without an address or anything that was sent; "" if that isn't known.
func Cause(err error) string {
	var (
		refusal  *Refusal
		op       *net.OpError
		unknown  *net.DNSError
		invalid  x509.CertificateInvalidError
		name     x509.HostnameError
		stranger x509.UnknownAuthorityError
		shown    *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &refusal):
		return refusal.Error()
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return "the proxy in HTTPS_PROXY can't be reached"
	case errors.As(err, &stranger):
		return "it shows a certificate of an authority that isn't trusted here" + issuer(err) + ": name that authority's certificate in SSL_CERT_FILE"
	case errors.As(err, &name):
		return "it shows a certificate for another name" + issuer(err)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "it shows a certificate that isn't valid today: look at this machine's clock"
	case errors.As(err, &shown):
		return "it shows a certificate that isn't valid" + issuer(err)
	case errors.As(err, &unknown):
		return "its name can't be looked up (no such host)"
	}
	text := err.Error()
	causes := []string{"certificate", "connection refused", "connection reset", "timeout", "EOF", "network is unreachable", "no route to host"}
	if i := slices.IndexFunc(causes, func(c string) bool { return strings.Contains(text, c) }); i >= 0 {
		return causes[i]
	}
	return ""
}

// hostPattern is what of a host is shown.
var hostPattern = regexp.MustCompile(`^[A-Za-z0-9._:\[\]-]{1,64}$`)

// Host is a host that an answer names, with its port, as it can be shown; "" if it can't.
func Host(host string) string {
	if !hostPattern.MatchString(host) {
		return ""
	}
	return host
}

// LeadsTo is the host that a redirect leads to, which is a proxy's or a portal's own where one answers for a service; ""
// without one. Whatever follows the host may hold what was asked for.
func LeadsTo(h http.Header) string {
	to, err := url.Parse(h.Get("Location"))
	if err != nil {
		return ""
	}
	return Host(to.Host)
}

// datePattern finds the forms of a date that HTTP knows, and that of JSON, also where several stand in one line.
var datePattern = regexp.MustCompile(`(?i)[a-z]{3,9}, ?[0-9]{1,2}[ -][a-z]{3}[ -][0-9]{2,4} [0-9:]{7,8} (?:gmt|utc|[+-][0-9]{4})|` +
	`[a-z]{3} [a-z]{3} [ 0-9][0-9] [0-9:]{8} [0-9]{4}|[0-9]{4}-[0-9]{2}-[0-9]{2}t[0-9:]{8}(?:\.[0-9]+)?(?:z|[+-][0-9:]{5,6})`)

// RetryAfter is how long an answer asks its client to stay away (RFC 9110, section 10.2.3): seconds, parts of them
// counted, or a date, also one as JSON has it. Of several the longest counts, up to most; 0 without one.
func RetryAfter(h http.Header, now time.Time, most time.Duration) (longest time.Duration) {
	for _, value := range h.Values("Retry-After") {
		for _, date := range datePattern.FindAllString(value, -1) {
			if t, ok := parseDate(date); ok {
				longest = max(longest, t.Sub(now))
			}
		}
		numbers := datePattern.ReplaceAllString(value, ",")
		for part := range strings.FieldsFuncSeq(numbers, func(r rune) bool { return r == ',' || r == ';' }) {
			longest = max(longest, parseSeconds(strings.Trim(part, ` "\t`), most))
		}
	}
	return min(longest, most)
}

func parseDate(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	if zone := len(s) - len(" UTC"); strings.EqualFold(s[zone:], " UTC") {
		s = s[:zone] + " GMT"
	}
	for _, layout := range []string{http.TimeFormat, time.RFC850, time.ANSIC, time.RFC1123Z, time.RFC3339, "Mon, 2 Jan 2006 15:04:05 MST"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// unitOfSeconds is what some write behind a number.
var unitOfSeconds = regexp.MustCompile(`(?i) *s(?:ec(?:ond)?s?)?$`)

// parseSeconds reads a number of seconds, or a duration as Go writes it; 0 if it is neither.
func parseSeconds(s string, most time.Duration) time.Duration {
	if d, err := time.ParseDuration(strings.ToLower(s)); err == nil {
		return d
	}
	seconds, err := strconv.ParseFloat(unitOfSeconds.ReplaceAllString(s, ""), 64)
	if err == nil && seconds > 0 || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, most.Seconds()) * float64(time.Second))
	}
	return 0
}

// issuer names who signed the last certificate that was shown: operators see at once if it is their own network's. It
// is text of others: quoted, and not at any length.
func issuer(err error) string {
	var shown *tls.CertificateVerificationError
	if !errors.As(err, &shown) || len(shown.UnverifiedCertificates) == 0 {
		return ""
	}
	const most = 100
	name := []rune(shown.UnverifiedCertificates[len(shown.UnverifiedCertificates)-1].Issuer.String())
	return fmt.Sprintf(" (%q)", string(name[:min(most, len(name))]))
}
