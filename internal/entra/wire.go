package entra

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	maxAnswer    = 1 << 20          // bytes; a token response is some 6 KB
	callTimeout  = 20 * time.Second // of one call, everything included
	dialTimeout  = 5 * time.Second
	headTimeout  = 15 * time.Second // until the answer's headers
	retryAtMost  = 5 * time.Minute  // of what Retry-After can ask for
	jsonMimeType = "application/json"
)

var (
	errTooLarge     = errors.New("the answer is too large")
	errNotJSON      = errors.New("the answer isn't JSON")
	errRedirect     = errors.New("the answer is a redirect")
	errNeedsNetwork = errors.New("a token would have to be asked for")
	errAppOnly      = errors.New("the client_credentials grant is never used here")
)

// exchange travels with a call's context: what the call may do, and what became of it.
type exchange struct {
	mayAsk  bool   // for tokens: whoever signs in, and whoever holds the session's lock
	account string // home account id, for answers without client_info
	idToken string // as it came, before MSAL's copy was cut down
	refused bool   // a token would have been asked for
	failure *Error // why the token endpoint gave none
}

type exchangeKey struct{}

func withExchange(ctx context.Context, x *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, x)
}

// wire is the HTTP client under every MSAL client.
type wire struct {
	client   *http.Client
	metadata string
	memo     *memo
	now      func() time.Time
}

func newWire(given *http.Client, metadata string, now func() time.Time, log *slog.Logger) *wire {
	client := &http.Client{Timeout: callTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if given != nil {
		client.Transport = given.Transport
	} else {
		client.Transport = &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSHandshakeTimeout: dialTimeout, ResponseHeaderTimeout: headTimeout,
			MaxIdleConnsPerHost: 16, IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: true,
		}
	}
	w := &wire{client: client, metadata: metadata, now: now}
	w.memo = newMemo(w.get, now, log)
	return w
}

// CloseIdleConnections is part of MSAL's interface.
func (w *wire) CloseIdleConnections() { w.client.CloseIdleConnections() }

// Do answers MSAL: metadata from memory, tokens under the rules of the exchange, everything else not at all.
func (w *wire) Do(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet && strings.TrimSuffix(r.URL.String(), "?") == w.metadata {
		body, err := w.memo.get(r.Context(), w.metadata)
		if err != nil {
			w.note(r, trouble(err))
			return nil, trouble(err)
		}
		return answered(r, http.StatusOK, body), nil
	}
	if r.Method != http.MethodPost {
		return nil, errors.New("entra: MSAL asks for something unknown")
	}
	return w.askForToken(r)
}

func (w *wire) note(r *http.Request, e *Error) {
	if x, ok := r.Context().Value(exchangeKey{}).(*exchange); ok {
		x.failure = e
	}
}

func (w *wire) askForToken(r *http.Request) (*http.Response, error) {
	x, ok := r.Context().Value(exchangeKey{}).(*exchange)
	if !ok || !x.mayAsk {
		if ok {
			x.refused = true
		}
		return nil, errNeedsNetwork
	}
	if grantOf(r) == "client_credentials" {
		return nil, errAppOnly
	}
	response, body, err := w.send(r)
	if err != nil {
		x.failure = trouble(err)
		return nil, x.failure
	}
	if response.StatusCode != http.StatusOK {
		x.failure = w.refusal(response, body)
		return nil, x.failure
	}
	plain, err := plainAnswer(body, x)
	if err != nil {
		x.failure = trouble(err)
		return nil, x.failure
	}
	return answered(r, http.StatusOK, plain), nil
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
		return nil, nil, errRedirect
	}
	return response, body, nil
}

// refusal words an answer other than 200.
func (w *wire) refusal(response *http.Response, body []byte) *Error {
	after := retryAfter(response.Header.Get("Retry-After"), w.now())
	var o oauthError
	if response.StatusCode == http.StatusTooManyRequests || response.StatusCode >= 500 || json.Unmarshal(body, &o) != nil || o.Error == "" {
		return &Error{Kind: KindUnavailable, RetryAfter: after, Err: errors.New("HTTP status " + strconv.Itoa(response.StatusCode))}
	}
	e := classify(o)
	e.RetryAfter = after
	return e
}

// retryAfter reads both forms of RFC 9110, section 10.2.3.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(strings.TrimSpace(value)); err == nil && seconds > 0 {
		return min(time.Duration(min(seconds, 1<<20))*time.Second, retryAtMost)
	}
	if date, err := http.ParseTime(value); err == nil && date.After(now) {
		return min(date.Sub(now), retryAtMost)
	}
	return 0
}

// get fetches a document that everybody may read.
func (w *wire) get(ctx context.Context, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", jsonMimeType)
	response, body, err := w.send(request)
	switch {
	case err != nil:
		return nil, err
	case response.StatusCode != http.StatusOK:
		return nil, &Error{Kind: KindUnavailable, Err: errors.New("HTTP status " + strconv.Itoa(response.StatusCode))}
	case !json.Valid(body):
		return nil, errNotJSON
	}
	return body, nil
}

func answered(r *http.Request, status int, body []byte) *http.Response {
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {jsonMimeType}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// plainAnswer brings a token response into the shape that MSAL takes. MSAL fails on an answer whose scopes are fewer
// than were asked for, on an audience that is a list and on numbers written otherwise, and then its error text holds
// the whole answer; without client_info it files the tokens under a name under which it can't find them again.
func plainAnswer(body []byte, x *exchange) ([]byte, error) {
	var fields map[string]any
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return nil, errNotJSON
	}
	if code, _ := fields["error"].(string); code != "" {
		var o oauthError
		if json.Unmarshal(body, &o) != nil {
			return nil, errNotJSON
		}
		return nil, classify(o)
	}
	if token, _ := fields["access_token"].(string); token == "" {
		return nil, errNotJSON
	}
	plain := map[string]any{"token_type": "Bearer", "expires_in": seconds(fields["expires_in"], 3600)}
	for _, name := range []string{"access_token", "refresh_token"} {
		if text, ok := fields[name].(string); ok {
			plain[name] = text
		}
	}
	if in := seconds(fields["refresh_in"], 0); in > 0 {
		plain["refresh_in"] = in
	}
	claims := idClaims{}
	if x.idToken, _ = fields["id_token"].(string); x.idToken != "" {
		var err error
		if claims, err = unverified(x.idToken); err != nil {
			return nil, forged("the ID token can't be read")
		}
		plain["id_token"] = claims.forMSAL()
	}
	plain["client_info"] = clientInfo(fields["client_info"], x.account, claims)
	return json.Marshal(plain)
}

func seconds(value any, otherwise int64) int64 {
	switch v := value.(type) {
	case float64:
		return int64(v)
	case string:
		if n, err := strconv.ParseFloat(v, 64); err == nil {
			return int64(n)
		}
	}
	return otherwise
}

// clientInfo says whose tokens these are: Entra's word if there is one, else the account that was asked for, else the
// ID token's person.
func clientInfo(given any, account string, claims idClaims) string {
	if text, _ := given.(string); validClientInfo(text) {
		return text
	}
	uid, utid, ok := strings.Cut(account, ".")
	if !ok {
		uid, utid = claims.ObjectID, claims.TenantID
	}
	content, err := json.Marshal(map[string]string{"uid": uid, "utid": utid})
	if err != nil { // two strings
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(content)
}

func validClientInfo(text string) bool {
	content, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	var info struct{ UID, UTID string }
	return err == nil && json.Unmarshal(content, &info) == nil && info.UID != "" && info.UTID != ""
}
