// Package preflight is "patdesk -check": it tries, before patdesk is started, what it will need when it runs.
//
// What belongs here: what to try for which settings, how to try it in bounded time, how to word what a network does to
// a call, and the table that comes of it. What opens stores and reads credentials is in internal/backing, as the
// program does the same.
//
// Whatever the network answers is text of others, and an address may hold a password. So no error's text is printed:
// its kind is found out and put in our own words.
package preflight

import (
	"cmp"
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
	"github.com/patdesk/patdesk/internal/backing"
	"github.com/patdesk/patdesk/internal/entra"
)

const (
	// checkLimit is what one try of -check may take; all of them run at once.
	checkLimit = 8 * time.Second
	// driftNoted is from where on a clock is worth a word, driftRefused from where on ID tokens are refused, which is
	// the tolerance of internal/entra.
	driftNoted   = time.Minute
	driftRefused = 5 * time.Minute
	// healthyLimit is how long a process may take to say that it is alive.
	healthyLimit = 5 * time.Second
)

// Check is -check: what has to be tried, and with what.
type Check struct {
	Config  config.Config
	Err     error // of config.Load
	Getenv  func(string) string
	Offline bool              // the network is left out
	Try     bool              // Entra ID is asked whether it takes the credential
	Base    http.RoundTripper // to the services; nil: as the program has it
	Now     func() time.Time
	Limit   time.Duration // of one try; 0: 8 seconds

	wire *wire
}

// Run prints what was understood, and what came of trying it. It returns how much of that failed, or an error that says
// what is wrong with the settings themselves: then nothing is tried.
func (c Check) Run(ctx context.Context, w io.Writer) (failed int, err error) {
	for _, warning := range c.Config.Warnings {
		fmt.Fprintln(w, "warning:", warning)
	}
	var credential backing.Credential
	if err = c.Err; err == nil && c.Config.Credential.VaultURL == "" {
		credential, err = backing.ReadCredential(ctx, c.Config.Credential, nil, c.Now)
	}
	if err != nil {
		return 0, err
	}
	switch {
	case credential.Warning:
		fmt.Fprintln(w, "warning:", credential.Note)
	case credential.Note != "":
		fmt.Fprintln(w, credential.Note)
	}
	fmt.Fprintln(w, "The settings are complete and agree with one another.")
	if uri := c.Config.RedirectURI(); uri != "" {
		fmt.Fprintln(w, "Redirect URI to register with the app:", uri)
	}
	rows := c.run(ctx)
	fmt.Fprintln(w)
	printTable(w, rows)
	fmt.Fprintln(w)
	if c.Offline {
		fmt.Fprintln(w, "The network was left out (-offline).")
	}
	if failed = failures(rows); failed > 0 {
		fmt.Fprintf(w, "%d of %d failed.\n", failed, len(rows))
		return failed, nil
	}
	fmt.Fprintln(w, "Nothing failed.")
	return 0, nil
}

// run tries everything. The clock is looked at last: the others bring the answers that it is compared with.
func (c Check) run(ctx context.Context) []row {
	c.wire = newWire(c.Base, c.Now)
	rows := runAll(ctx, cmp.Or(c.Limit, checkLimit), c.tries())
	if !c.Offline {
		clock := c.clock()
		clock.What = "Clock"
		rows = append(rows, clock)
	}
	return rows
}

// tries are all tries in the order of the table: first what is here, then what is elsewhere.
func (c Check) tries() []try {
	tries := []try{{What: "Address", Do: c.address}, {What: "LISTEN_ADDRESS", Do: c.listening("LISTEN_ADDRESS", c.Config.ListenAddress, "/healthz")}}
	if c.Config.MetricsAddress != "" {
		tries = append(tries, try{What: "METRICS_ADDRESS", Do: c.listening("METRICS_ADDRESS", c.Config.MetricsAddress, "/metrics")})
	}
	tries = append(tries, try{What: "Credential", Do: c.credential}, try{What: "Session keys", Do: c.keys})
	if c.Config.Redis == nil {
		tries = append(tries, try{What: "Session folder", Do: c.folder})
	}
	for _, name := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if c.Getenv(name) != "" {
			tries = append(tries, try{What: name, Do: func(context.Context) row { return c.authorities(name) }})
		}
	}
	if c.Offline {
		return tries
	}
	if set := c.proxySettings(); len(set) > 0 {
		tries = append(tries, try{What: "Proxy", Do: c.proxy})
	}
	if c.Config.Redis != nil {
		tries = append(tries, try{What: "Redis", Do: c.redis})
	}
	tries = append(tries, try{What: "Entra ID", Do: c.entra}, try{What: "Azure DevOps", Do: c.azureDevOps})
	if len(c.Config.Organizations) == 0 {
		tries = append(tries, try{What: "Discovery", Do: c.discovery})
	}
	for _, address := range c.Config.Vaults.Addresses {
		tries = append(tries, try{What: "Vault", Do: func(ctx context.Context) row { return c.peoplesVault(ctx, address) }})
	}
	if c.Try {
		tries = append(tries, try{What: "Sign-in", Do: c.tryCredential})
	}
	if c.Config.Traces.Endpoint != "" {
		tries = append(tries, try{What: "Traces", Do: c.traces})
	}
	return tries
}

func ok(found string) row { return row{Outcome: outcomeOK, Found: found} }

func warning(found, advice string) row {
	return row{Outcome: outcomeWarning, Found: found, Advice: advice}
}

func failed(found, advice string) row {
	return row{Outcome: outcomeFailed, Found: found, Advice: advice}
}

// failedBy is for an error that is a config.Fault, or words enough.
func failedBy(err error) row {
	var fault config.Fault
	if errors.As(err, &fault) {
		return failed(fault.Setting+" "+fault.Problem+".", fault.Fix)
	}
	return failed(sentence(err.Error()), "")
}

// ---- what is here --------------------------------------------------------------------

// address says out loud what only the operator can compare.
func (c Check) address(context.Context) row {
	public := c.Config.PublicURL()
	switch {
	case public == "" && !c.Config.AddressFromProxies():
		return warning("LISTEN_ADDRESS leaves the port to the start, so the address that people open is another one each time.",
			"Put a port there, or set BASE_URL. Then the redirect URI can be compared with the app registration from here.")
	case public == "":
		return warning("BASE_URL isn't set, so the address is known only from the headers of the proxy in TRUSTED_PROXIES.",
			"Set BASE_URL to the address that people open. Then the redirect URI can be compared with the app registration from here.")
	}
	return ok(fmt.Sprintf("People open %s. The app registration must have, on the platform Web and letter by letter, the redirect URIs %s and, for signing out, %s/.",
		public, c.Config.RedirectURI(), public))
}

func (c Check) keys(context.Context) row {
	keys, where := c.Config.Keys(), "SESSION_KEYS"
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

// mark distinguishes keys without giving anything of them away: 32 bits that can't be got without a key of 256.
func mark(key []byte) string {
	m := hmac.New(sha256.New, key)
	m.Write([]byte("the name of a session key, for operators to compare"))
	return "key " + hex.EncodeToString(m.Sum(nil)[:4])
}

// ---- elsewhere -----------------------------------------------------------------------

// entra fetches what the first sign-in would. The credential isn't used for that: a stand-in of it does.
func (c Check) entra(ctx context.Context) row {
	provider, err := entra.New(entra.Options{
		ClientID: c.Config.ClientID, Authority: c.Config.Authority, Scopes: c.Config.Scopes, Credential: entra.Credential{Secret: "not sent"},
		HTTPClient: &http.Client{Transport: c.wire}, Now: c.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return failed("AUTHORITY can't be used.", "Put https://login.microsoftonline.com/ and the tenant's ID there.")
	}
	host := hostIn(c.Config.Authority)
	found, err := provider.Check(ctx)
	last := c.wire.last(host)
	switch {
	case err == nil && found.Keys == 0:
		return failed(fmt.Sprintf("%s answers, %s, but publishes no signing keys.", host, last.way()), "Nobody could sign in: ID tokens can't be checked without them. Look at AUTHORITY.")
	case err == nil:
		return ok(fmt.Sprintf("%s answers, %s. Its issuer is %s; %d signing keys.", host, last.way(), quoted(found.Issuer), found.Keys))
	case last.Err != nil:
		return failed(last.words())
	case ctx.Err() != nil:
		return failed(attempt{Host: host, Proxy: last.Proxy, Err: ctx.Err()}.words())
	case last.Status == http.StatusBadRequest, last.Status == http.StatusNotFound:
		return failed(fmt.Sprintf("%s answers, %s, but knows no tenant %s (%d).", host, last.way(), quoted(tenantOf(c.Config.Authority)), last.Status),
			`Put the "Directory (tenant) ID" of the app registration at the end of AUTHORITY.`)
	case last.Status >= http.StatusInternalServerError, last.Status == http.StatusTooManyRequests:
		return failed(fmt.Sprintf("%s answers %d, %s.", host, last.Status, last.way()), "Try again later. If it goes on, look at https://status.cloud.microsoft.")
	default:
		return failed(fmt.Sprintf("%s answers, %s, but not as Entra ID does%s.", host, last.way(), last.leadsTo()), "Look at AUTHORITY, and if a proxy or a sign-in page of the network answers in its place.")
	}
}

func (c Check) azureDevOps(ctx context.Context) row {
	if len(c.Config.Organizations) == 0 { // the API has no address without one
		return c.service(ctx, "ENDPOINT", c.Config.Endpoint+"/", false)
	}
	return c.service(ctx, "ENDPOINT", c.Config.Endpoint+"/"+c.Config.Organizations[0]+"/_apis/Tokens/Pats?api-version="+c.Config.APIVersion, true)
}

func (c Check) discovery(ctx context.Context) row {
	return c.service(ctx, "DISCOVERY_ENDPOINT", c.Config.DiscoveryEndpoint+"/_apis/profile/profiles/me?api-version="+c.Config.APIVersion, true)
}

// service asks without a token, so the answer is a refusal; that there is one is what counts. An address of the API
// answers with the service's marks, by which it differs from a proxy's own page.
func (c Check) service(ctx context.Context, setting, address string, marked bool) row {
	last := c.wire.get(ctx, address)
	switch {
	case last.Err != nil:
		return failed(last.words())
	case last.Status >= http.StatusInternalServerError, last.Status == http.StatusTooManyRequests:
		return warning(fmt.Sprintf("%s answers %d, %s.", last.Host, last.Status, last.way()), "Try again later. If it goes on, look at https://status.dev.azure.com.")
	case marked && last.Header.Get("ActivityId") == "" && last.Header.Get("X-VSS-E2EID") == "" && last.Header.Get("X-MSEDGE-Ref") == "":
		return warning(fmt.Sprintf("%s answers %d, %s, but without the marks of Azure DevOps%s.", last.Host, last.Status, last.way(), last.leadsTo()),
			"Look at "+setting+", and if a proxy or a sign-in page of the network answers in its place.")
	default:
		return ok(fmt.Sprintf("%s answers, %s.", last.Host, last.way()))
	}
}

// peoplesVault asks without a token, as the client does first after a sign-in: a vault then says which resource it wants one for.
func (c Check) peoplesVault(ctx context.Context, address string) row {
	last := c.wire.get(ctx, address+"/secrets?api-version=7.4")
	const advice = "Look at VAULTS, and if a proxy or a sign-in page of the network answers in its place."
	switch {
	case last.Err != nil:
		return failed(last.words())
	case last.Status >= http.StatusInternalServerError, last.Status == http.StatusTooManyRequests:
		return warning(fmt.Sprintf("%s answers %d, %s.", last.Host, last.Status, last.way()), "Try again later. If it goes on, look at https://status.azure.com.")
	case last.Status == http.StatusForbidden:
		return warning(fmt.Sprintf("%s answers 403, %s: its firewall may keep this machine out.", last.Host, last.way()), "Let this machine's address in, under Networking on the vault's page.")
	case !strings.Contains(last.Header.Get("WWW-Authenticate"), "https://"+c.Config.Vaults.Suffix):
		return warning(fmt.Sprintf("%s answers %d, %s, but not as a vault does%s.", last.Host, last.Status, last.way(), last.leadsTo()), advice)
	default:
		return ok(fmt.Sprintf("%s answers, %s. What people may do there, their sign-in decides.", last.Host, last.way()))
	}
}

// clock compares this machine's with those of the services.
func (c Check) clock() row {
	drift, hosts := c.wire.drift()
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
func (c Check) proxySettings() []string {
	var set []string
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"} {
		if c.Getenv(name) != "" {
			set = append(set, name)
		}
	}
	return set
}

// proxy says what the variables mean, of which net/http passes over what it can't parse. If the proxy works, the rows
// of the services tell.
func (c Check) proxy(context.Context) row {
	set := strings.Join(c.proxySettings(), ", ")
	for _, name := range []string{"HTTPS_PROXY", "https_proxy"} {
		value := c.Getenv(name)
		if value == "" {
			continue
		}
		address, err := proxyAddress(value)
		if err != nil {
			return failed(name+" isn't an address, so it is passed over in silence or taken for another one.", "Put http://host:port there, or http://user:password@host:port.")
		}
		return ok(fmt.Sprintf("%s, set by %s. Which way each service is reached is said beside it.", address, set))
	}
	if c.Getenv("HTTP_PROXY")+c.Getenv("http_proxy") != "" {
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

// quoted is text of others: on one line, and not at any length.
func quoted(text string) string {
	const limit = 100
	if runes := []rune(text); len(runes) > limit {
		text = string(runes[:limit]) + "…"
	}
	return fmt.Sprintf("%q", text)
}
