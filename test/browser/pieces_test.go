package browser

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"
)

// pieces is the body of an answer whose header comes tag by tag, with time to show each before the next one.
type pieces struct {
	io.Closer
	rest []byte
}

// Read implements io.Reader.
func (p *pieces) Read(into []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := len(p.rest)
	if body := bytes.Index(p.rest, []byte("<header")); body > 0 {
		n = body
	} else if bytes.Contains(p.rest, []byte("</header>")) {
		<-time.After(2 * time.Second / 60) // two frames
		if n = 1 + bytes.IndexAny(p.rest[1:], "<>"); p.rest[n] == '>' {
			n++
		}
	}
	n = copy(into, p.rest[:n])
	p.rest = p.rest[n:]
	return n, nil
}

// inPieces is the demo behind a proxy through which the pages' header comes in pieces.
func (d *demo) inPieces() (address string) {
	d.t.Helper()
	program, err := url.Parse(d.url)
	if err != nil {
		d.t.Fatal(err)
	}
	front := httptest.NewServer(&httputil.ReverseProxy{
		FlushInterval: -1, // at once
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(program)
			r.Out.Header.Del("Accept-Encoding") // for text that can be cut
		},
		ModifyResponse: func(answer *http.Response) error {
			if !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") {
				return nil
			}
			page, err := io.ReadAll(answer.Body)
			answer.Header.Del("Content-Length")
			answer.Body = &pieces{answer.Body, page}
			return err
		},
	})
	d.t.Cleanup(front.Close)
	return strings.Replace(front.URL, "127.0.0.1", program.Hostname(), 1)
}

// Nothing in the header moves while it comes in pieces, as over a slow network, or to a browser that is busy.
func TestHeaderStandsStillInPieces(t *testing.T) {
	t.Parallel()
	b, d := openTab(t), startDemo(t)
	b.open(d.url)
	b.signIn("Mona Rivera")
	address := d.inPieces() + "/scopes"
	for _, w := range []window{windows[0], windows[3]} {
		b.through(w)
		b.open(address)
		b.standsStill(w.name, 0.0005)
	}
}
