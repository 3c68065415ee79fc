package tracing

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/patdesk/patdesk/internal/panics"
)

const (
	exportTimeout = 10 * time.Second // of one try
	maxTries      = 3
	firstPause    = time.Second // before the next try, doubled each time
	longestPause  = 5 * time.Second
	complainEvery = time.Minute
)

// client posts spans to a collector: OTLP over HTTP, in protobuf (https://opentelemetry.io/docs/specs/otlp/#otlphttp).
// OpenTelemetry's own brings gRPC along, which isn't used for this and makes up a tenth of the program.
type client struct {
	endpoint string
	headers  map[string]string
	gzip     bool
	pause    time.Duration // before the second try
	http     *http.Client
}

func newClient(o Options) *client {
	return &client{endpoint: o.Endpoint, headers: o.Headers, gzip: o.Gzip, pause: firstPause, http: &http.Client{
		Timeout:       cmp.Or(o.Timeout, exportTimeout),
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConns: 2, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // headers hold a key
	}}
}

// Start is part of otlptrace.Client.
func (c *client) Start(context.Context) error { return nil }

// Stop is part of otlptrace.Client.
func (c *client) Stop(context.Context) error {
	c.http.CloseIdleConnections()
	return nil
}

// UploadTraces sends spans, and again where the collector says that this can help. Spans that can't be sent are lost.
func (c *client) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	_, err := panics.Try(func() (struct{}, error) { return struct{}{}, c.upload(ctx, spans) }) // in a goroutine of the library's
	return err
}

func (c *client) upload(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	// On the wire a request to export is the same as this: https://github.com/open-telemetry/opentelemetry-proto
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return errors.New("spans can't be encoded")
	}
	if c.gzip {
		if body, err = zipped(body); err != nil {
			return err
		}
	}
	pause := c.pause
	for try := 1; ; try++ {
		asked, err := c.post(ctx, body)
		if err == nil || asked < 0 || try == maxTries {
			return err
		}
		select {
		case <-time.After(min(max(pause, asked), longestPause)):
		case <-ctx.Done():
			return err
		}
		pause *= 2
	}
}

func zipped(message []byte) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(message); err != nil {
		return nil, err
	}
	err := z.Close()
	return b.Bytes(), err
}

// post tries once. With an error it says how long the collector wants to be left alone, or -1 if trying again is of no
// use. The error names no address: it may hold a key.
func (c *client) post(ctx context.Context, body []byte) (wait time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, bytes.NewReader(body))
	if err != nil {
		return -1, errors.New("the endpoint isn't an address")
	}
	for name, value := range c.headers {
		request.Header.Set(name, value)
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	if c.gzip {
		request.Header.Set("Content-Encoding", "gzip")
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return 0, errors.New("the collector can't be reached, or doesn't answer in time")
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the connection can be used again
	switch answer.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		return 0, nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
		return time.Duration(max(0, min(seconds, 60))) * time.Second, fmt.Errorf("the collector answers %d", answer.StatusCode)
	default:
		return -1, fmt.Errorf("the collector answers %d", answer.StatusCode)
	}
}

// complaints logs what goes wrong with sending, and not more than once in a while: a collector that is gone for a day
// is no reason to fill the log.
type complaints struct {
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	last time.Time
	kept int
}

// Handle implements otel.ErrorHandler.
func (c *complaints) Handle(err error) {
	panics.Contain(c.log, "sending traces", func() { c.handle(err) }) // in a goroutine of the library's
}

func (c *complaints) handle(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.last) >= complainEvery {
		c.log.Warn("traces could not be sent", "error", err, "times_before", c.kept)
		c.last, c.kept = now, 0
		return
	}
	c.kept++
}
