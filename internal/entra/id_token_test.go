package entra

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/patdesk/patdesk/internal/simulator"
)

func TestIDTokenFaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	for _, fault := range []string{"wrongNonce", "noNonce", "wrongAudience", "audienceArray", "wrongIssuer", "wrongTenantID", "noTenantID", "noObjectID",
		"otherPerson", "expiredIDToken", "futureIDToken", "algNone", "algHS256", "unknownKid", "badSignature"} {
		t.Run(fault, func(t *testing.T) {
			w.sim.SetFault(fault, simulator.FaultOptions{})
			defer w.sim.ClearFaults()
			_, blob, err := w.finish(mona)
			wantKind(t, err, KindForged)
			if blob != nil {
				t.Error("there is a token cache")
			}
		})
	}
	if _, _, err := w.finish(mona); err != nil {
		t.Errorf("without a fault: %v", err)
	}
}

func TestIDTokenClaims(t *testing.T) {
	t.Parallel()
	now := time.Now().Unix()
	const other = "00000000-0000-0000-0000-00000000000f"
	for name, c := range map[string]struct {
		claims map[string]any
		fine   bool
	}{
		"as they are":               {map[string]any{}, true},
		"another nonce":             {map[string]any{"nonce": "another"}, false},
		"no nonce":                  {map[string]any{"nonce": nil}, false},
		"another app":               {map[string]any{"aud": other}, false},
		"no audience":               {map[string]any{"aud": nil}, false},
		"empty audience":            {map[string]any{"aud": []string{}}, false},
		"audience in a list":        {map[string]any{"aud": []string{fakeClient}}, true},
		"several, issued to us":     {map[string]any{"aud": []string{other, fakeClient}, "azp": fakeClient}, true},
		"several, to nobody":        {map[string]any{"aud": []string{fakeClient, other}}, false},
		"several, to another":       {map[string]any{"aud": []string{fakeClient, other}, "azp": other}, false},
		"for us, to another":        {map[string]any{"azp": other}, false},
		"for us, to us":             {map[string]any{"azp": fakeClient}, true},
		"a number as audience":      {map[string]any{"aud": 5}, false},
		"another issuer":            {map[string]any{"iss": "https://evil.example/" + fakeTenant + "/v2.0"}, false},
		"no issuer":                 {map[string]any{"iss": nil}, false},
		"issuer's template":         {map[string]any{"iss": host + "/{tenantid}/v2.0"}, false},
		"tid isn't the issuer's":    {map[string]any{"tid": other}, false},
		"no tid":                    {map[string]any{"tid": nil}, false},
		"no oid":                    {map[string]any{"oid": nil}, false},
		"empty oid":                 {map[string]any{"oid": ""}, false},
		"another oid":               {map[string]any{"oid": other}, false}, // than client_info says
		"expired a minute ago":      {map[string]any{"exp": now - 60}, true},
		"expired long ago":          {map[string]any{"exp": now - 301}, false},
		"no exp":                    {map[string]any{"exp": nil}, false},
		"exp as text":               {map[string]any{"exp": "never"}, false},
		"exp beyond all time":       {map[string]any{"exp": 1e300}, false},
		"exp with a fraction":       {map[string]any{"exp": float64(now) + 3600.5}, true},
		"from in a minute":          {map[string]any{"nbf": now + 60}, true},
		"from in ten minutes":       {map[string]any{"nbf": now + 600}, false},
		"no nbf":                    {map[string]any{"nbf": nil}, true},
		"no name":                   {map[string]any{"name": nil, "preferred_username": nil}, true},
		"name of another type":      {map[string]any{"name": []int{1}}, false},
		"tenant in capital letters": {map[string]any{"tid": strings.ToUpper(fakeTenant), "iss": host + "/" + strings.ToUpper(fakeTenant) + "/v2.0"}, true},
		"unknown claims":            {map[string]any{"groups": []string{"a", "b"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w, f := newFakeWorld(t)
			f.claims = c.claims
			_, blob, err := w.finishFake(f)
			if c.fine && err != nil {
				t.Errorf("refused: %v", err)
			}
			if !c.fine && (kindOf(err) != KindForged || blob != nil) {
				t.Errorf("got %v and %d bytes", err, len(blob))
			}
		})
	}
}

// Times that aren't any are long over, on every kind of machine.
func TestTimesOfClaims(t *testing.T) {
	t.Parallel()
	for _, seconds := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 1e300, 1 << 41} {
		if got := at(seconds); !got.IsZero() {
			t.Errorf("%v: %s", seconds, got)
		}
	}
	if got := at(1700000000.9); got.Unix() != 1700000000 {
		t.Errorf("got %s", got)
	}
}

func TestUsernames(t *testing.T) {
	t.Parallel()
	for want, claims := range map[string]map[string]any{
		"preferred@x": {"preferred_username": "preferred@x", "upn": "upn@x", "email": "email@x"},
		"upn@x":       {"preferred_username": nil, "upn": "upn@x", "email": "email@x"},
		"email@x":     {"preferred_username": nil, "email": "email@x"},
		"":            {"preferred_username": nil},
	} {
		w, f := newFakeWorld(t)
		f.claims = claims
		if id, _, err := w.finishFake(f); err != nil || id.Username != want {
			t.Errorf("got %q, want %q (%v)", id.Username, want, err)
		}
	}
}

// A guest's object id in the visited tenant is another one than at home, which is the one that client_info tells.
func TestGuests(t *testing.T) {
	t.Parallel()
	w, f := newFakeWorld(t)
	const home, homeID = "cccccccc-0000-0000-0000-000000000001", "cccccccc-0000-0000-0000-000000000002"
	for _, space := range []string{"", " ", "  "} { // so that base64 needs its padding, or not
		info := base64.URLEncoding.EncodeToString([]byte(`{"uid":"` + homeID + `","utid":"` + home + `"}` + space))
		f.set(func(f *fake) { f.fields = map[string]any{"client_info": info} })
		id, c := w.signedInAt(f)
		if id.ObjectID != fakePerson || id.TenantID != fakeTenant || id.Account != homeID+"."+home {
			t.Errorf("got %+v", id)
		}
		w.token(c, id.Account)
	}
}

func TestAuthorityOfOneTenant(t *testing.T) {
	t.Parallel()
	p := simulator.Mona
	home := newWorld(t, simulator.Options{}, func(o *Options) { o.Authority = host + "/" + strings.ToUpper(simulator.DefaultTenantID) })
	if id, _, err := home.finish(p); err != nil || id.TenantID != simulator.DefaultTenantID {
		t.Errorf("%v, %v", id, err)
	}
	// The token itself is checked as well, in case the page let in somebody else.
	w, f := newFakeWorld(t, func(o *Options) { o.Authority = host + "/" + fakeTenant })
	f.metadata = map[string]any{"issuer": host + "/" + fakeTenant + "/v2.0"}
	if _, _, err := w.finishFake(f); err != nil {
		t.Fatal(err)
	}
	f.set(func(f *fake) {
		f.claims = map[string]any{"tid": simulator.OtherTenantID, "iss": host + "/" + fakeTenant + "/v2.0"}
		f.fields = map[string]any{"client_info": nil}
	})
	_, _, err := w.finishFake(f)
	wantKind(t, err, KindForged)
	f.set(func(f *fake) {
		f.claims = map[string]any{"tid": simulator.OtherTenantID, "iss": host + "/" + simulator.OtherTenantID + "/v2.0"}
		f.metadata = map[string]any{"issuer": host + "/{tenantid}/v2.0"}
	})
	_, _, err = w.another().finishFakeWith(w, f)
	wantKind(t, err, KindWrongTenant)
}

// finishFakeWith is finishFake at another Provider of the same world.
func (p *Provider) finishFakeWith(w *world, f *fake) (Identity, []byte, error) {
	same := *w
	same.Provider = p
	return same.finishFake(f)
}

func TestAllowedTenants(t *testing.T) {
	t.Parallel()
	allow := func(ids ...string) func(*Options) { return func(o *Options) { o.AllowedTenants = ids } }
	for name, c := range map[string]struct {
		w      *world
		person string
		fine   bool
	}{
		"any":                {newWorld(t, simulator.Options{}), simulator.Aiko, true},
		"hers":               {newWorld(t, simulator.Options{}, allow(simulator.OtherTenantID)), simulator.Aiko, true},
		"hers among others":  {newWorld(t, simulator.Options{}, allow(fakeTenant, strings.ToUpper(simulator.OtherTenantID))), simulator.Aiko, true},
		"another":            {newWorld(t, simulator.Options{}, allow(simulator.DefaultTenantID)), simulator.Aiko, false},
		"another, home user": {newWorld(t, simulator.Options{}, allow(simulator.OtherTenantID)), mona, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, blob, err := c.w.finish(c.person)
			if c.fine && err != nil || !c.fine && (kindOf(err) != KindWrongTenant || blob != nil) {
				t.Errorf("%v, %d bytes", err, len(blob))
			}
		})
	}
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w, f := newFakeWorld(t)
		if _, _, err := w.finishFake(f); err != nil {
			t.Fatal(err)
		}
		f.set(func(f *fake) { f.signer = fakeKeys()[1] })
		if _, _, err := w.finishFake(f); err != nil || f.count("keys") != 2 {
			t.Fatalf("after a rotation: %v, keys fetched %d times", err, f.count("keys"))
		}
		// Again at once: that could be anybody's token.
		f.set(func(f *fake) { f.signer = fakeKeys()[2] })
		for range 5 {
			_, _, err := w.finishFake(f)
			wantKind(t, err, KindForged)
		}
		if n := f.count("keys"); n != 2 {
			t.Errorf("keys fetched %d times", n)
		}
		pass(forceEvery)
		if _, _, err := w.finishFake(f); err != nil || f.count("keys") != 3 {
			t.Errorf("half a minute later: %v, keys fetched %d times", err, f.count("keys"))
		}
	})
}

// At the simulator the old key stays published.
func TestKeyRotationAtTheSimulator(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	for range 2 {
		if _, _, err := w.finish(mona); err != nil {
			t.Fatal(err)
		}
		w.sim.RotateKeys()
	}
	if n := w.sim.Calls(simulator.CallJWKS); n != 2 {
		t.Errorf("keys fetched %d times", n)
	}
}

func TestSignaturesThatCount(t *testing.T) {
	t.Parallel()
	good := fakeKeys()[0]
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys := []jose.JSONWebKey{
		{Key: good.key.Public(), KeyID: good.id},
		{Key: ec.Public(), KeyID: "curve", Use: "sig"},
		{Key: good.key.Public(), KeyID: "for encryption", Use: "enc"},
	}
	signer := func(alg jose.SignatureAlgorithm, key any, id string) jose.Signer {
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: id}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for name, c := range map[string]struct {
		signer jose.Signer
		fine   bool
	}{
		"RS256":                     {signer(jose.RS256, good.key, good.id), true},
		"PS256":                     {signer(jose.PS256, good.key, good.id), true},
		"ES256":                     {signer(jose.ES256, ec, "curve"), true},
		"no key id":                 {signer(jose.RS256, good.key, ""), true},
		"another's key id":          {signer(jose.RS256, good.key, "curve"), false},
		"unknown key id":            {signer(jose.RS256, good.key, "nobody's"), false},
		"key for encryption":        {signer(jose.RS256, good.key, "for encryption"), false},
		"HS256 with the public key": {signer(jose.HS256, good.key.N.Bytes(), good.id), false},
		"another's key":             {signer(jose.RS256, fakeKeys()[1].key, good.id), false},
		"HS256 with the secret":     {signer(jose.HS256, []byte(strings.Repeat(fakeSecret, 2)), good.id), false},
	} {
		t.Run(name, func(t *testing.T) {
			w, f := newFakeWorld(t)
			f.keys = func(rw http.ResponseWriter, _ *http.Request) {
				giveJSON(rw, http.StatusOK, map[string]any{"keys": keys})
			}
			_, a := w.begin(BeginOptions{})
			f.set(func(f *fake) { f.fields = map[string]any{"id_token": serialized(t, c.signer, f.goodClaims(a.Nonce))} })
			_, _, err := w.Finish(t.Context(), a, backWith(a))
			if c.fine && err != nil || !c.fine && kindOf(err) != KindForged {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestIDTokensThatAreNone(t *testing.T) {
	t.Parallel()
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	w, f := newFakeWorld(t)
	_, a := w.begin(BeginOptions{})
	good := func() []string {
		f.mu.Lock()
		defer f.mu.Unlock()
		return strings.Split(sign(t, f.signer, f.goodClaims(a.Nonce)), ".")
	}()
	for name, token := range map[string]any{
		"missing":           nil,
		"empty":             "",
		"number":            7,
		"text":              "hello",
		"two parts":         good[0] + "." + good[1],
		"four parts":        strings.Join(good, ".") + ".x",
		"no signature":      good[0] + "." + good[1] + ".",
		"alg none":          part(`{"alg":"none"}`) + "." + good[1] + ".",
		"alg None":          part(`{"alg":"None"}`) + "." + good[1] + "." + good[2],
		"changed payload":   good[0] + "." + part(`{"tid":"`+fakeTenant+`"}`) + "." + good[2],
		"claims not JSON":   good[0] + "." + part(`hello`) + "." + good[2],
		"claims null":       good[0] + "." + part(`null`) + "." + good[2],
		"claims no base64":  good[0] + ".***." + good[2],
		"encrypted":         strings.Join(good, ".") + ".a.b",
		"signature flipped": good[0] + "." + good[1] + "." + flipped(good[2]),
	} {
		t.Run(name, func(t *testing.T) {
			f.set(func(f *fake) { f.fields = map[string]any{"id_token": token} })
			_, blob, err := w.Finish(t.Context(), a, backWith(a))
			wantKind(t, err, KindForged)
			if blob != nil {
				t.Error("there is a token cache")
			}
			if said := strings.Contains(err.Error(), "has no ID token"); (name == "missing" || name == "number") && !said {
				t.Errorf("got %v", err)
			}
		})
	}
	f.set(func(f *fake) { f.fields = map[string]any{"id_token": strings.Join(good, ".")} })
	if _, _, err := w.Finish(t.Context(), a, backWith(a)); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func flipped(text string) string {
	if text[0] == 'A' {
		return "B" + text[1:]
	}
	return "A" + text[1:]
}

// Without keys nobody is believed: whoever could answer for the token endpoint could sign with a key of their own. The
// same sign-in works when the keys are back. See docs/decisions/0003-id-token-checks.md.
func TestKeysOutOfReach(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*fake){
		"down":       func(f *fake) { f.keys = raw(http.StatusServiceUnavailable, "text/html", "down") },
		"a web page": func(f *fake) { f.keys = raw(http.StatusOK, "text/html", "<!DOCTYPE html>") },
		"empty":      func(f *fake) { f.keys = raw(http.StatusOK, "application/json", `{"keys":[]}`) },
		"no keys":    func(f *fake) { f.keys = raw(http.StatusOK, "application/json", `{}`) },
		"unknown":    func(f *fake) { f.keys = raw(http.StatusOK, "application/json", `{"keys":[{"kty":"new","kid":"x"},7]}`) },
		"only secret": func(f *fake) {
			f.keys = raw(http.StatusOK, "application/json", `{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`)
		},
		"a redirect": func(f *fake) { f.keys = raw(http.StatusFound, "text/html", "", "Location", host+"/token") },
		"not named":  func(f *fake) { f.metadata = map[string]any{"jwks_uri": nil} },
	} {
		t.Run(name, func(t *testing.T) {
			w, f := newFakeWorld(t)
			set(f)
			f.set(func(f *fake) { f.signer = fakeKeys()[1] }) // a foreign key
			_, _, err := w.finishFake(f)
			wantKind(t, err, KindUnavailable)
			f.set(func(f *fake) { f.signer = fakeKeys()[0] }) // and the right one
			_, _, err = w.finishFake(f)
			wantKind(t, err, KindUnavailable)
			if !strings.Contains(err.Error(), "signing keys can't be had") {
				t.Errorf("the error is %v", err)
			}
			shared, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(strings.Repeat(fakeSecret, 2))}, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, a := w.begin(BeginOptions{})
			f.set(func(f *fake) { f.fields = map[string]any{"id_token": serialized(t, shared, f.goodClaims(a.Nonce))} })
			_, _, err = w.Finish(t.Context(), a, backWith(a))
			wantKind(t, err, KindForged)
		})
	}
}

// Keys that were good are used on while they can't be fetched again, or nothing sensible comes.
func TestKeysThatWereGood(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w, f := newFakeWorld(t)
		w.signedInAt(f)
		for _, bad := range []http.HandlerFunc{raw(http.StatusServiceUnavailable, "text/html", "down"), raw(http.StatusOK, "application/json", `{"keys":[]}`)} {
			f.set(func(f *fake) { f.keys = bad })
			pass(2 * documentFresh)
			w.signedInAt(f) // the old keys, and new ones behind the scenes
			pass(time.Minute)
			w.signedInAt(f)
			f.set(func(f *fake) { f.signer = fakeKeys()[1] })
			_, _, err := w.finishFake(f)
			wantKind(t, err, KindForged)
			f.set(func(f *fake) { f.signer = fakeKeys()[0] })
		}
		if strings.Contains(w.log.String(), "keys can't be had") {
			t.Error("the old keys weren't used")
		}
		pass(keysLongest) // but not for ever
		_, _, err := w.finishFake(f)
		wantKind(t, err, KindUnavailable)
		f.set(func(f *fake) { f.keys = nil })
		w.signedInAt(f) // and a program that nobody has used for a weekend fetches them first
		pass(3 * keysLongest)
		w.signedInAt(f)
	})
}

// Names of any length make neither a long address nor a long record.
func TestLongNames(t *testing.T) {
	t.Parallel()
	w, f := newFakeWorld(t)
	long := strings.Repeat("ü", 5000)
	f.set(func(f *fake) {
		f.claims = map[string]any{"preferred_username": long + "@contoso.example", "name": long, "upn": "mona@contoso.example"}
	})
	id, _ := w.signedInAt(f)
	if id.Username != "mona@contoso.example" || len(id.Name) > 300 || !strings.HasPrefix(long, strings.TrimSuffix(id.Name, "…")) {
		t.Errorf("%d bytes of name, username %.300q", len(id.Name), id.Username)
	}
	f.set(func(f *fake) { f.claims = map[string]any{"preferred_username": long} })
	if id, _ := w.signedInAt(f); id.Username != "" {
		t.Errorf("username %.300q", id.Username)
	}
	challenge := `{"access_token":{"acrs":{"essential":true,"value":"` + strings.Repeat("é", 100) + `"}}}`
	for _, hint := range []string{long, "mona@contoso.example", strings.Repeat("é", 127), strings.Repeat("&", 254), strings.Repeat("x", 254)} {
		for _, claims := range []string{"", challenge, `{"a":"` + strings.Repeat("%", 300) + `"}`, `{"a":"` + strings.Repeat("x", 5000) + `"}`} {
			if !FitsSignIn(claims) { // refused, see TestClaimsThatAreTooLong
				continue
			}
			address, _ := w.begin(BeginOptions{LoginHint: hint, Claims: claims})
			if len(address.String()) > maxAddress {
				t.Errorf("an address of %d bytes", len(address.String()))
			}
			if got := address.Query().Get("login_hint"); got != "" && got != hint {
				t.Errorf("a hint was cut: %q", got)
			}
		}
	}
	for _, guest := range []string{"mona_contoso.example#EXT#@fabrikam.onmicrosoft.example", "live.com#mona@outlook.example"} {
		if address, _ := w.begin(BeginOptions{LoginHint: guest}); address.Query().Has("login_hint") {
			t.Errorf("a guest is led to sign in as %q", guest)
		}
	}
	if address, _ := w.begin(BeginOptions{LoginHint: "mona@contoso.example"}); address.Query().Get("login_hint") != "mona@contoso.example" {
		t.Error("the usual hint is lost")
	}
}

// Keys that never come hold a sign-in up for a bounded time, and only one.
func TestKeysHang(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.sim.SetFault("jwksHang", simulator.FaultOptions{})
		start := time.Now()
		_, _, err := w.finish(mona)
		wantKind(t, err, KindUnavailable)
		if took := time.Since(start); took != documentTimeout {
			t.Errorf("took %s", took)
		}
		start = time.Now()
		_, _, err = w.finish(mona)
		wantKind(t, err, KindUnavailable)
		if took := time.Since(start); took != 0 {
			t.Errorf("the next one took %s", took)
		}
	})
}
