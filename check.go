package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/preflight"
)

const (
	// checkLimit is what one try of -check may take; all of them run at once.
	checkLimit = 8 * time.Second
	// driftNoted is from where on a clock is worth a word, driftRefused from where on ID tokens are refused, which is
	// the tolerance of internal/entra.
	driftNoted   = time.Minute
	driftRefused = 5 * time.Minute
)

// check is -check after the settings were found to be in order: what has to be tried, and with what.
type check struct {
	config  config.Config
	getenv  func(string) string
	offline bool
	base    http.RoundTripper // to the services; nil: as the program has it
	now     func() time.Time
	limit   time.Duration // of one try

	wire *preflight.Wire
}

// runCheck is -check: what is wrong with the settings, or what was understood, and what came of trying it.
func runCheck(ctx context.Context, c check, err error, stdout, stderr io.Writer) int {
	for _, warning := range c.config.Warnings {
		fmt.Fprintln(stdout, "warning:", warning)
	}
	var credential appCredential
	if err == nil && c.config.Credential.VaultURL == "" {
		credential, err = readCredential(ctx, c.config.Credential, nil, c.now)
	}
	if err != nil {
		fmt.Fprintf(stderr, "patdesk can't start:\n%v\n", err)
		return exitMisused
	}
	switch {
	case credential.warning:
		fmt.Fprintln(stdout, "warning:", credential.note)
	case credential.note != "":
		fmt.Fprintln(stdout, credential.note)
	}
	fmt.Fprintln(stdout, "The settings are complete and agree with one another.")
	if uri := c.config.RedirectURI(); uri != "" {
		fmt.Fprintln(stdout, "Redirect URI to register with the app:", uri)
	}
	rows := c.run(ctx)
	fmt.Fprintln(stdout)
	preflight.Print(stdout, rows)
	fmt.Fprintln(stdout)
	if c.offline {
		fmt.Fprintln(stdout, "The network was left out (-offline).")
	}
	if failed := preflight.Failures(rows); failed > 0 {
		fmt.Fprintf(stdout, "%d of %d failed.\n", failed, len(rows))
		return exitFailed
	}
	fmt.Fprintln(stdout, "Nothing failed.")
	return exitOK
}

// run tries everything. The clock is looked at last: the others bring the answers that it is compared with.
func (c check) run(ctx context.Context) []preflight.Row {
	c.wire = preflight.NewWire(c.base, c.now)
	rows := preflight.Run(ctx, c.limit, c.tries())
	if !c.offline {
		clock := c.clock()
		clock.What = "Clock"
		rows = append(rows, clock)
	}
	return rows
}

// tries are all tries in the order of the table: first what is here, then what is elsewhere.
func (c check) tries() []preflight.Try {
	tries := []preflight.Try{{What: "Address", Do: c.address}, {What: "Credential", Do: c.credential}, {What: "Session keys", Do: c.keys}}
	if c.config.Redis == nil {
		tries = append(tries, preflight.Try{What: "Session folder", Do: c.folder})
	}
	for _, name := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if c.getenv(name) != "" {
			tries = append(tries, preflight.Try{What: name, Do: func(context.Context) preflight.Row { return c.authorities(name) }})
		}
	}
	if c.offline {
		return tries
	}
	if set := c.proxySettings(); len(set) > 0 {
		tries = append(tries, preflight.Try{What: "Proxy", Do: c.proxy})
	}
	if c.config.Redis != nil {
		tries = append(tries, preflight.Try{What: "Redis", Do: c.redis})
	}
	tries = append(tries, preflight.Try{What: "Entra ID", Do: c.entra}, preflight.Try{What: "Azure DevOps", Do: c.azureDevOps})
	if len(c.config.Organizations) == 0 {
		tries = append(tries, preflight.Try{What: "Discovery", Do: c.discovery})
	}
	return tries
}

func ok(found string) preflight.Row { return preflight.Row{Outcome: preflight.OK, Found: found} }

func warning(found, advice string) preflight.Row {
	return preflight.Row{Outcome: preflight.Warning, Found: found, Advice: advice}
}

func failed(found, advice string) preflight.Row {
	return preflight.Row{Outcome: preflight.Failed, Found: found, Advice: advice}
}

// ---- what is here --------------------------------------------------------------------

// address says out loud what only the operator can compare.
func (c check) address(context.Context) preflight.Row {
	public := c.config.PublicURL()
	if public == "" {
		return warning("BASE_URL isn't set, so the address is known only from the headers of the proxy in TRUSTED_PROXIES.",
			"Set BASE_URL to the address that people open. Then the redirect URI can be compared with the app registration from here.")
	}
	return ok(fmt.Sprintf("People open %s. The app registration must have, on the platform Web and letter by letter, the redirect URIs %s and, for signing out, %s/.",
		public, c.config.RedirectURI(), public))
}

func (c check) keys(context.Context) preflight.Row {
	keys, where := c.config.Keys(), "SESSION_KEYS"
	if keys == nil {
		where = "SESSION_DIR"
		seen, err := c.inspect()
		if err != nil {
			return warning("They couldn't be looked at: see Session folder.", "")
		}
		if seen.Keys == nil {
			return ok("None yet: the first start makes one in SESSION_DIR.")
		}
		keys = seen.Keys
	}
	return ok(fmt.Sprintf("%d in %s. New records are encrypted with %s; all replicas must show the same here.", len(keys), where, mark(keys[0])))
}

// mark tells keys apart without telling anything of them: 32 bits that can't be got without a key of 256.
func mark(key []byte) string {
	m := hmac.New(sha256.New, key)
	m.Write([]byte("the name of a session key, for operators to compare"))
	return "key " + hex.EncodeToString(m.Sum(nil)[:4])
}

// ---- elsewhere -----------------------------------------------------------------------

// entra fetches what the first sign-in would. The credential isn't used for that: a stand-in of it does.
func (c check) entra(ctx context.Context) preflight.Row {
	provider, err := entra.New(entra.Options{
		ClientID: c.config.ClientID, Authority: c.config.Authority, Scopes: c.config.Scopes, Credential: entra.Credential{Secret: "not sent"},
		HTTPClient: &http.Client{Transport: c.wire}, Now: c.now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return failed("AUTHORITY can't be used.", "Put https://login.microsoftonline.com/ and the tenant's ID there.")
	}
	host := hostIn(c.config.Authority)
	found, err := provider.Check(ctx)
	trip := c.wire.Trip(host)
	switch {
	case err == nil && found.Keys == 0:
		return failed(fmt.Sprintf("%s answers, %s, but publishes no signing keys.", host, trip.Way()), "Nobody could sign in: ID tokens can't be checked without them. Look at AUTHORITY.")
	case err == nil:
		return ok(fmt.Sprintf("%s answers, %s. Its issuer is %s; %d signing keys.", host, trip.Way(), quoted(found.Issuer), found.Keys))
	case trip.Err != nil:
		return failed(trip.Words())
	case ctx.Err() != nil:
		return failed(preflight.Trip{Host: host, Proxy: trip.Proxy, Err: ctx.Err()}.Words())
	case trip.Status == http.StatusBadRequest, trip.Status == http.StatusNotFound:
		return failed(fmt.Sprintf("%s answers, %s, but knows no tenant %s (%d).", host, trip.Way(), quoted(tenantOf(c.config.Authority)), trip.Status),
			`Put the "Directory (tenant) ID" of the app registration at the end of AUTHORITY.`)
	case trip.Status >= http.StatusInternalServerError, trip.Status == http.StatusTooManyRequests:
		return failed(fmt.Sprintf("%s answers %d, %s.", host, trip.Status, trip.Way()), "Try again later. If it goes on, look at https://status.cloud.microsoft.")
	default:
		return failed(fmt.Sprintf("%s answers, %s, but not as Entra ID does.", host, trip.Way()), "Look at AUTHORITY, and if a proxy or a sign-in page of the network answers in its place.")
	}
}

func (c check) azureDevOps(ctx context.Context) preflight.Row {
	if len(c.config.Organizations) == 0 { // the API has no address without one
		return c.service(ctx, "ENDPOINT", c.config.Endpoint+"/", false)
	}
	return c.service(ctx, "ENDPOINT", c.config.Endpoint+"/"+c.config.Organizations[0]+"/_apis/Tokens/Pats?api-version="+c.config.APIVersion, true)
}

func (c check) discovery(ctx context.Context) preflight.Row {
	return c.service(ctx, "DISCOVERY_ENDPOINT", c.config.DiscoveryEndpoint+"/_apis/profile/profiles/me?api-version="+c.config.APIVersion, true)
}

// service asks without a token, so the answer is a refusal; that there is one is what counts. An address of the API
// answers with the service's marks, by which a proxy's own page is told from it.
func (c check) service(ctx context.Context, setting, address string, marked bool) preflight.Row {
	trip := c.wire.Get(ctx, address)
	switch {
	case trip.Err != nil:
		return failed(trip.Words())
	case trip.Status >= http.StatusInternalServerError, trip.Status == http.StatusTooManyRequests:
		return warning(fmt.Sprintf("%s answers %d, %s.", trip.Host, trip.Status, trip.Way()), "Try again later. If it goes on, look at https://status.dev.azure.com.")
	case marked && trip.Header.Get("ActivityId") == "" && trip.Header.Get("X-VSS-E2EID") == "" && trip.Header.Get("X-MSEDGE-Ref") == "":
		return warning(fmt.Sprintf("%s answers %d, %s, but without the marks of Azure DevOps.", trip.Host, trip.Status, trip.Way()),
			"Look at "+setting+", and if a proxy or a sign-in page of the network answers in its place.")
	default:
		return ok(fmt.Sprintf("%s answers, %s.", trip.Host, trip.Way()))
	}
}

// clock compares this machine's with those of the services.
func (c check) clock() preflight.Row {
	drift, hosts := c.wire.Drift()
	direction := "behind"
	if drift < 0 {
		direction = "ahead"
	}
	apart := fmt.Sprintf("This machine's clock is %s %s.", drift.Abs().Round(time.Second), direction)
	const advice = "Set it by the network: timedatectl set-ntp true, or whatever keeps this machine's time."
	switch {
	case hosts == 0:
		return warning("No answer came that it could be compared with.", "")
	case drift.Abs() >= driftRefused:
		return failed(apart+" Every sign-in would be refused.", advice)
	case drift.Abs() > driftNoted:
		return warning(apart, advice)
	default:
		return ok("It agrees with those of the services to within a minute.")
	}
}

// proxySettings are the names of the variables that choose a proxy and are set.
func (c check) proxySettings() []string {
	var set []string
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"} {
		if c.getenv(name) != "" {
			set = append(set, name)
		}
	}
	return set
}

// proxy says what the variables mean, of which net/http passes over what it can't parse. If the proxy works, the rows of the services tell.
func (c check) proxy(context.Context) preflight.Row {
	set := strings.Join(c.proxySettings(), ", ")
	for _, name := range []string{"HTTPS_PROXY", "https_proxy"} {
		value := c.getenv(name)
		if value == "" {
			continue
		}
		address, err := proxyAddress(value)
		if err != nil {
			return failed(name+" isn't an address, so it is passed over in silence or taken for another one.", "Put http://host:port there, or http://user:password@host:port.")
		}
		return ok(fmt.Sprintf("%s, set by %s. Which way each service is reached is said beside it.", address, set))
	}
	if c.getenv("HTTP_PROXY")+c.getenv("http_proxy") != "" {
		return warning(fmt.Sprintf("%s is set, but the services are called over https, for which HTTPS_PROXY counts.", set), "Set HTTPS_PROXY, too, if the services are to be called through it.")
	}
	return ok(set + " alone names no proxy: the services are called directly.")
}

// proxyAddress is the proxy without user and password.
func proxyAddress(value string) (string, error) {
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	u, err := url.Parse(value)
	if err != nil || u.Host == "" {
		return "", errors.New("not an address")
	}
	kind := ""
	if u.User != nil {
		kind = " (with a user)"
	}
	return u.Scheme + "://" + u.Host + kind, nil
}

func hostIn(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

func tenantOf(authority string) string { return authority[strings.LastIndex(authority, "/")+1:] }

// quoted is somebody else's text: on one line, and not at any length.
func quoted(text string) string {
	const limit = 100
	if runes := []rune(text); len(runes) > limit {
		text = string(runes[:limit]) + "…"
	}
	return fmt.Sprintf("%q", text)
}
