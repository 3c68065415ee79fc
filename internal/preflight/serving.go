package preflight

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"github.com/patdesk/patdesk/internal/backing"
	"github.com/patdesk/patdesk/internal/entra"
)

// listening takes the address in setting as the start would, and gives it back. One that a running patdesk has is no
// fault: -check is often run beside it. It answers at path.
func (c Check) listening(setting, address, path string) func(context.Context) row {
	return func(ctx context.Context) row {
		listener, err := backing.Listen(ctx, address)
		switch {
		case err == nil:
			_ = listener.Close() // nothing has come yet
			return ok(address + " is free.")
		case errors.Is(err, syscall.EADDRINUSE) && isPatdesk(ctx, address, path):
			return ok("A patdesk that is running has " + address + ".")
		default:
			fault := backing.ListenFault(setting, address, err)
			return failed("It "+fault.Problem+".", fault.Fix)
		}
	}
}

// isPatdesk reports whether a patdesk listens at the address.
func isPatdesk(ctx context.Context, address, path string) bool {
	got, err := askHere(ctx, address, path)
	marked := bytes.Equal(got.body, []byte("ok\n")) && got.id != "" || bytes.Contains(got.body, []byte("\npatdesk_build_info{"))
	return err == nil && got.code == http.StatusOK && marked
}

// ErrAddress is why Healthy can't ask: the address isn't one.
var ErrAddress = errors.New("LISTEN_ADDRESS is neither host:port nor unix:/path")

// Healthy asks /healthz of the patdesk that listens at address, host:port or unix:/path, of this machine.
func Healthy(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, healthyLimit)
	defer cancel()
	got, err := askHere(ctx, address, "/healthz")
	if err == nil && got.code != http.StatusOK {
		err = errors.New(got.status)
	}
	return err
}

// here is an answer of what listens on this machine.
type here struct {
	code       int
	status, id string
	body       []byte
}

// dialHere is where to connect to what listens at address on this machine, and the name to ask for.
func dialHere(address string) (network, target, name string, err error) {
	if socket, is := strings.CutPrefix(address, "unix:"); is {
		return "unix", strings.TrimPrefix(socket, "//"), "localhost", nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", "", "", ErrAddress
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1" // not localhost: the image has no /etc/hosts, and not everything that runs it brings one
	}
	target = net.JoinHostPort(host, port)
	return "tcp", target, target, nil
}

// askHere asks what listens at address on this machine.
func askHere(ctx context.Context, address, path string) (here, error) {
	network, address, name, err := dialHere(address)
	if err != nil {
		return here{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+name+path, http.NoBody)
	if err != nil {
		return here{}, err
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { // no proxy
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return here{}, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	return here{answer.StatusCode, answer.Status, answer.Header.Get("X-Request-Id"), body}, err
}

// traces sends the collector a request without spans, which one that takes OTLP over HTTP accepts
// (https://opentelemetry.io/docs/specs/otlp/#otlphttp-request). What it does otherwise doesn't keep patdesk from serving.
func (c Check) traces(ctx context.Context) row {
	o := c.Config.Traces
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, o.Endpoint, http.NoBody)
	if err != nil {
		return failed("OTEL_EXPORTER_OTLP_ENDPOINT can't be called.", "")
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	for name, value := range o.Headers {
		request.Header.Set(name, value.Reveal())
	}
	answer, trip, err := c.wire.call(request)
	untraced := func(found, advice string) row {
		return warning(found+" People are served all the same, without traces.", advice)
	}
	const port = "Look if OTEL_EXPORTER_OTLP_ENDPOINT leads to a collector that takes OTLP over HTTP, which is port 4318 as a rule; 4317 is gRPC."
	switch {
	case err != nil && !isRefusal(err):
		return untraced(trip.Host+" answers otherwise than over HTTP, or not at all.", port)
	case err != nil:
		found, _ := trip.words()
		return untraced(found, "Look if the collector runs. "+port)
	}
	_ = answer.Body.Close() // it says nothing that is needed
	switch {
	case answer.StatusCode < http.StatusMultipleChoices:
		return ok(fmt.Sprintf("The collector at %s takes them, %s.", trip.Host, trip.way()))
	case answer.StatusCode == http.StatusUnauthorized, answer.StatusCode == http.StatusForbidden:
		return untraced(fmt.Sprintf("The collector at %s refuses them (%d).", trip.Host, answer.StatusCode), "Look at OTEL_EXPORTER_OTLP_HEADERS.")
	default:
		return untraced(fmt.Sprintf("%s answers %d, which a collector doesn't.", trip.Host, answer.StatusCode), port)
	}
}

// isRefusal reports whether a call failed on the way, before anything spoke HTTP.
func isRefusal(err error) bool {
	var op *net.OpError
	return isTimeout(err) || isUnknownName(err) || errors.As(err, &op) && op.Op == "dial"
}

// tryCredential finds the commonest failure of all before people do.
func (c Check) tryCredential(ctx context.Context) row {
	authority := c.Config.Authority
	if tenant := strings.ToLower(tenantOf(authority)); slices.Contains([]string{"common", "organizations"}, tenant) {
		if len(c.Config.AllowedTenants) == 0 {
			return warning("The credential can't be tried: for that Entra ID needs a tenant, and AUTHORITY names none.", "Put the tenant's ID at the end of AUTHORITY, or into ALLOWED_TENANTS.")
		}
		authority = strings.TrimSuffix(authority, tenantOf(authority)) + c.Config.AllowedTenants[0]
	}
	client := &http.Client{Transport: c.wire}
	read, err := backing.ReadCredential(ctx, c.Config.Credential, client, c.Now)
	if err != nil {
		return failedBy(err)
	}
	provider, err := entra.New(entra.Options{
		ClientID: c.Config.ClientID, Authority: authority, Scopes: c.Config.Scopes, Credential: read.Credential,
		HTTPClient: client, Now: c.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return failed("AUTHORITY or the credential can't be used.", "")
	}
	resource, _, _ := strings.Cut(c.Config.Scopes[0], "/.default")
	if end := strings.LastIndex(resource, "/"); end > 0 && resource == c.Config.Scopes[0] {
		resource = resource[:end]
	}
	err = provider.TryCredential(ctx, resource)
	var refused *entra.Error
	switch last := c.wire.last(hostIn(authority)); {
	case err == nil:
		return ok("Entra ID takes the credential. The token that it gave out for the app itself was thrown away.")
	case !errors.As(err, &refused):
		return failed(sentence(err.Error()), "")
	case refused.Code == "" && last.Err != nil:
		return failed(last.words())
	default:
		return c.refusedCredential(refused)
	}
}

// refusals say what to do about those numbers of Entra's that an app's credential, and nothing else, can bring about.
var refusals = map[string]string{
	"7000215": "It isn't the client secret of this app: copy the secret's Value, not its ID, from the app registration.",
	"7000222": "The client secret has expired: make a new one in the app registration.",
	"7000216": "The app registration wants another kind of credential.",
	"7000218": "The credential didn't arrive: look if something on the way changes requests.",
	"700016":  "The tenant knows no app of this CLIENT_ID: take both from the app's Overview page.",
	"7000112": "The app is disabled in its tenant.",
	"700027":  "The certificate isn't registered with the app: upload its public part under Certificates & secrets.",
	"700024":  "This machine's clock is wrong, or the certificate isn't valid.",
	"700030":  "The certificate isn't valid.",
	"50012":   "The credential is not valid: look at the certificate and at this machine's clock.",
	"70021":   "No federated credential of the app fits: compare issuer, subject and audience.",
	"700211":  "No federated credential of the app has this issuer.",
	"700212":  "No federated credential of the app has this audience.",
	"700213":  "No federated credential of the app has this subject.",
	"90002":   "There is no such tenant: look at AUTHORITY.",
	"900023":  "There is no such tenant: look at AUTHORITY.",
}

func (c Check) refusedCredential(refused *entra.Error) row {
	number := refused.Code
	if refused.AADSTS != "" {
		number = "AADSTS" + refused.AADSTS
	}
	advice, known := refusals[refused.AADSTS]
	switch {
	case known, refused.Code == "invalid_client", refused.Code == "unauthorized_client":
		if !known {
			advice = "docs/troubleshooting.md has the numbers."
		}
		return failed("Entra ID refuses the credential ("+number+"): nobody could sign in.", advice)
	case refused.Code == "":
		return warning("Entra ID gave no usable answer about the credential.", "Try again later.")
	default:
		return warning("Entra ID says neither yes nor no to the credential ("+number+").", "docs/troubleshooting.md has the numbers; the first sign-in shows the rest.")
	}
}
