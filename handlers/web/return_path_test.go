package web

import (
	"net/url"
	"strings"
	"testing"
)

func TestSafeReturnKeepsOwnPaths(t *testing.T) {
	t.Parallel()
	for _, own := range []string{
		"/", "/tokens", "/tokens?organization=contoso&status=all&q=a%20b", "/tokens/contoso/0f1e-22", "/operations/AbC_-9", "/scopes?q=%C3%A9", "/changes/",
	} {
		if got := SafeReturn(own); got != own {
			t.Errorf("%q became %q", own, got)
		}
	}
}

// hostile are ways to leave the site, as browsers read them.
var hostile = []string{
	"", "evil.example", "//evil.example", "///evil.example", "////evil.example", `/\evil.example`, `\/evil.example`, `\\evil.example`, `/\/evil.example`, `//\evil.example`,
	"https://evil.example", "http:evil.example", "https:/evil.example", "HTTPS://evil.example", "javascript:alert(1)", "data:text/html,x", "vbscript:x", "mailto:a@b",
	"/\t/evil.example", "/\n/evil.example", "/\r/evil.example", "\t//evil.example", " //evil.example", "/ /evil.example", "/\x00/evil.example", "/%09/evil.example", "/%0a/evil.example", "/%0d%0aLocation:x",
	"/%2f%2fevil.example", "/%2F/evil.example", "/%5cevil.example", "/%5C%5cevil.example", "/..//evil.example", "/../evil", "/a/../../evil", "/./evil", "/.//evil.example", "/a//evil.example", "/%2e%2e/evil", "/%2E/evil",
	"/@evil.example/..//", "//evil.example@localhost/", "//localhost@evil.example", "//user:pass@evil.example", "/\u2028//evil.example", "/\u3002evil", "/\uff0f\uff0fevil.example", "//evil\u3002example",
	"?next=//evil.example", "#//evil.example", "/path#fragment", "..//evil.example", ".", "..", ";//evil.example", "/;@evil", "//[::1]/", "//127.0.0.1", "//0x7f000001", "/%00", "/a%00b",
	"/sign-in", "/sign-in/start?return=%2F", "/sign-out", "/\\", `/a\b`, "/\x7f", "/a b", "http://localhost:5000.evil.example", "http://localhost:5000@evil.example", "http:///evil.example", "http:\\\\evil.example",
	"/" + strings.Repeat("a", maxReturnPath),
}

func TestSafeReturnRefusesEverythingElse(t *testing.T) {
	t.Parallel()
	for _, raw := range hostile {
		if got := SafeReturn(raw); got != "/" && !strings.HasPrefix(got, "/;") {
			t.Errorf("%q became %q", raw, got)
		}
	}
}

func FuzzSafeReturn(f *testing.F) {
	for _, raw := range hostile {
		f.Add(raw)
	}
	f.Add("/tokens?organization=contoso")
	base, err := url.Parse("https://desk.example/pat/")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got := SafeReturn(raw)
		if !strings.HasPrefix(got, "/") || strings.HasPrefix(got, "//") || strings.ContainsAny(got, "\\\r\n\t\x00") {
			t.Fatalf("%q became %q", raw, got)
		}
		to, err := base.Parse("/pat" + got)
		if err != nil || to.Host != base.Host || to.Scheme != base.Scheme || !strings.HasPrefix(to.EscapedPath(), "/pat/") {
			t.Fatalf("%q became %q, which leads to %v (%v)", raw, got, to, err)
		}
		if again := SafeReturn(got); again != got {
			t.Fatalf("%q became %q and then %q", raw, got, again)
		}
	})
}
