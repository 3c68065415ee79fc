package entra

import (
	"net/http"
	"testing"
)

// What each page view costs: the token is there and good.
func BenchmarkAccessToken(b *testing.B) {
	c, p, account := benchmarkSession(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.AccessToken(b.Context(), c, account); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAccessTokenParallel(b *testing.B) {
	c, p, account := benchmarkSession(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := p.AccessToken(b.Context(), c, account); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// What the link "Sign in" costs once the metadata is there.
func BenchmarkBegin(b *testing.B) {
	_, p, _ := benchmarkSession(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := p.Begin(b.Context(), BeginOptions{RedirectURI: redirectURI}); err != nil {
			b.Fatal(err)
		}
	}
}

// benchmarkSession is a session with tokens of the sizes that Entra's have.
func benchmarkSession(b *testing.B) (*memoryCache, *Provider, string) {
	b.Helper()
	f := &fake{t: b, calls: map[string]int{}, signer: fakeKeys()[0], fields: map[string]any{"access_token": text(2200), "refresh_token": text(1500)}}
	p, err := New(Options{
		ClientID: fakeClient, Authority: host + "/organizations", Scopes: []string{apiScope}, Credential: Credential{Secret: fakeSecret},
		HTTPClient: &http.Client{Transport: inMemory(b, f)},
	})
	if err != nil {
		b.Fatal(err)
	}
	_, a, err := p.Begin(b.Context(), BeginOptions{RedirectURI: redirectURI})
	if err != nil {
		b.Fatal(err)
	}
	f.nonce = a.Nonce
	id, blob, err := p.Finish(b.Context(), a, backWith(a))
	if err != nil {
		b.Fatal(err)
	}
	return newCache(blob), p, id.Account
}

func text(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(i%26)
	}
	return string(b)
}
