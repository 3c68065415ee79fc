package entra

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/patdesk/patdesk/internal/network"
)

const (
	maxAnswer   = 1 << 20          // bytes; a token response is some 6 KB
	callTimeout = 20 * time.Second // of one call, everything included
	dialTimeout = 5 * time.Second
	headTimeout = 15 * time.Second // until the answer's headers
	retryAtMost = 5 * time.Minute  // of what Retry-After can ask for

	documentFresh   = time.Hour
	documentTimeout = 10 * time.Second // of fetching one: people wait for it at sign-in

	jsonMimeType = "application/json"
)

var (
	errTooLarge     = errors.New("the answer is too large")
	errNotJSON      = errors.New("the answer isn't JSON")
	errRedirect     = errors.New("the answer is a redirect")
	errTokenType    = errors.New("the token isn't a bearer token")
	errUnusable     = errors.New("the metadata or the keys are of no use")
	errNeedsNetwork = errors.New("a token would have to be asked for")
	errAppOnly      = errors.New("the client_credentials grant is never used here")
)

// exchange travels with a call's context: what the call may do, and what became of it.
type exchange struct {
	offline bool   // no call may be made: what is in the cache has to do
	trial   bool   // the credential alone is tried: see TryCredential
	mayAsk  bool   // for tokens: a sign-in may, and the holder of the session's lock
	account string // home account id, for answers without client_info; "" at sign-in

	refused  bool   // a call would have been needed
	called   bool   // MSAL wanted something of the wire
	answered bool   // tokens came
	idToken  string // as it came, before MSAL's copy was cut down
	failure  *Error // why there are no tokens
}

type exchangeKey struct{}

func withExchange(ctx context.Context, x *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, x)
}

// wire is the HTTP client under every MSAL client.
type wire struct {
	client    *http.Client
	metadata  string
	documents *memo[[]byte] // metadata and signing keys, by address
	now       func() time.Time
	watch     func(context.Context, string, http.Header) func(int, string)
}

func newWire(o Options, metadata string) *wire {
	client := &http.Client{Timeout: callTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if o.HTTPClient != nil {
		client.Transport = o.HTTPClient.Transport
	} else {
		client.Transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, OnProxyConnectResponse: network.RefusedByProxy,
			DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSHandshakeTimeout: dialTimeout, ResponseHeaderTimeout: headTimeout,
			MaxIdleConnsPerHost: 16, IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: true,
			// Many people's refreshes share a connection: without pings its death is noticed by each one's own time
			// limit.
			HTTP2: &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
		}
	}
	w := &wire{client: client, metadata: metadata, now: o.Now, watch: o.Watch}
	w.documents = &memo[[]byte]{
		fetch: w.get, fresh: documentFresh, now: o.Now, log: o.Log, words: "Entra's metadata or keys could not be fetched", kept: map[string]kept[[]byte]{},
	}
	return w
}

// CloseIdleConnections is part of MSAL's interface.
func (w *wire) CloseIdleConnections() { w.client.CloseIdleConnections() }

// Do answers MSAL: metadata from memory, tokens under the rules of the exchange, everything else not at all.
func (w *wire) Do(r *http.Request) (*http.Response, error) {
	x, ok := r.Context().Value(exchangeKey{}).(*exchange)
	if !ok {
		return nil, errNeedsNetwork
	}
	x.called = true
	switch {
	case x.offline || r.Method == http.MethodPost && !x.mayAsk:
		x.refused = true
		return nil, errNeedsNetwork
	case r.Method == http.MethodPost:
		return w.askForToken(r, x)
	case r.Method == http.MethodGet && strings.TrimSuffix(r.URL.String(), "?") == w.metadata:
		body, err := w.documents.get(r.Context(), w.metadata)
		if err != nil {
			x.failure = networkError(err)
			return nil, x.failure
		}
		return answered(r, body), nil
	default:
		return nil, errors.New("entra: MSAL asks for something unknown")
	}
}

func (w *wire) askForToken(r *http.Request, x *exchange) (*http.Response, error) {
	plain, err := w.tokensFor(r, x)
	if err != nil {
		x.failure = networkError(err)
		return nil, x.failure
	}
	x.answered = true
	return answered(r, plain), nil
}

func (w *wire) tokensFor(r *http.Request, x *exchange) ([]byte, error) {
	call := map[string]string{"authorization_code": callCode, "refresh_token": callRefresh}[grantOf(r)]
	if x.trial && grantOf(r) == "client_credentials" {
		call = callTrial
	}
	if call == "" {
		return nil, &Error{Kind: KindOther, Err: errAppOnly}
	}
	return w.watched(r, call, func(response *http.Response, body []byte) ([]byte, error) {
		if response.StatusCode != http.StatusOK {
			return nil, w.refusal(response, body)
		}
		return plainAnswer(body, x)
	})
}

// watched does one call, judges its answer, and reports both to Watch.
func (w *wire) watched(r *http.Request, call string, judge func(*http.Response, []byte) ([]byte, error)) ([]byte, error) {
	done, status := w.watch(r.Context(), call, r.Header), 0
	response, body, err := w.send(r)
	if response != nil {
		status = response.StatusCode
	}
	if err == nil {
		body, err = judge(response, body)
	}
	done(status, outcomeOf(err))
	return body, err
}

// outcomeOf names what became of a call.
func outcomeOf(err error) string {
	if err == nil {
		return outcomeOK
	}
	return string(networkError(err).Kind)
}

func grantOf(r *http.Request) string {
	if r.GetBody == nil {
		return ""
	}
	body, err := r.GetBody()
	if err != nil {
		return ""
	}
	defer body.Close()
	content, err := io.ReadAll(io.LimitReader(body, maxAnswer))
	if err != nil {
		return ""
	}
	form, err := url.ParseQuery(string(content))
	if err != nil {
		return ""
	}
	return form.Get("grant_type")
}

// send does one call and reads its answer, bounded.
func (w *wire) send(r *http.Request) (*http.Response, []byte, error) {
	response, err := w.client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, nil, err
	case len(body) > maxAnswer:
		return nil, nil, errTooLarge
	case response.StatusCode >= 300 && response.StatusCode < 400:
		return nil, nil, redirected(response)
	}
	return response, body, nil
}

// redirected says where an answer leads: Entra's documents and tokens are where they are asked for, so it is a proxy's.
func redirected(response *http.Response) *Error {
	e := &Error{Kind: KindUnavailable, Err: errRedirect}
	if to := network.LeadsTo(response.Header); to != "" {
		e.Err = fmt.Errorf("%w to %s, which a proxy or a sign-in page of the network may have sent", errRedirect, to)
	}
	return e
}

// refusal words an answer other than 200.
func (w *wire) refusal(response *http.Response, body []byte) *Error {
	var o oauthError
	e := &Error{}
	worded := json.Unmarshal(body, &o) == nil && o.Error != ""
	if worded {
		e = classify(o)
	}
	if !worded || response.StatusCode == http.StatusTooManyRequests || response.StatusCode >= http.StatusInternalServerError {
		e.Kind, e.Err = KindUnavailable, errors.New("HTTP status "+strconv.Itoa(response.StatusCode))
	}
	e.RetryAfter = network.RetryAfter(response.Header, w.now(), retryAtMost)
	return e
}

// get fetches a public document.
func (w *wire) get(ctx context.Context, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, documentTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", jsonMimeType)
	call := callKeys
	if address == w.metadata {
		call = callMetadata
	}
	return w.watched(request, call, func(response *http.Response, body []byte) ([]byte, error) {
		switch {
		case response.StatusCode != http.StatusOK:
			return nil, &Error{Kind: KindUnavailable, Err: errors.New("HTTP status " + strconv.Itoa(response.StatusCode))}
		case !json.Valid(body):
			return nil, errNotJSON
		case !w.usable(address, body):
			return nil, errUnusable
		}
		return body, nil
	})
}

// usable keeps an empty document from taking the place of a good one.
func (w *wire) usable(address string, body []byte) bool {
	if address != w.metadata {
		return len(parseKeys(body).Keys) > 0
	}
	var m configuration
	return json.Unmarshal(body, &m) == nil && m.Issuer != "" && isAddress(m.Authorization, "https", "http") && isAddress(m.Token, "https")
}

// isAddress reports whether text is a whole address with one of the schemes.
func isAddress(text string, schemes ...string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && slices.Contains(schemes, u.Scheme)
}

func answered(r *http.Request, body []byte) *http.Response {
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {jsonMimeType}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
}
