package web_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/handlers/web"
)

// However long an address is asked for, and whatever is in it: the head of an answer stays below what proxies take.
func TestLongRedirects(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	long := strings.Repeat("%C3%BC", 4000)
	for _, target := range []string{
		"/tokens/new?name=" + long, "/sign-in?return=/tokens/new%3Fname%3D" + long, "/sign-in/start?return=/" + long, "/sign-in/start?draft=" + long, "/organizations?organization=" + long, "/tokens?organization=" + long, "/" + long, "/getAToken?state=" + long,
	} {
		answer := w.get(target)
		var head strings.Builder
		_ = answer.Header().Write(&head)
		if head.Len() >= 4000 || answer.Code >= 500 {
			t.Errorf("%.60s: %d, a head of %d bytes", target, answer.Code, head.Len())
		}
	}
	for to, want := range map[string]string{
		"/tokens?x=" + strings.Repeat("a", web.MaxLocation): "/tokens", "/pat/tokens/new?" + strings.Repeat("a", web.MaxLocation): "/pat/tokens/new", "/tokens?x=y": "/tokens?x=y", "https://login.example/?" + url.QueryEscape("x"): "https://login.example/?x",
	} {
		if got := web.Bounded(to); got != want {
			t.Errorf("%.80s became %.80s", to, got)
		}
	}
}
