package entra

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
)

// certified is a Provider whose app proves itself with a certificate.
func certified(t *testing.T) (*world, *Certificate) {
	t.Helper()
	app := appCertificate(t)
	c, err := ParseCertificate(joined(app.pem(), app.keyPEM(t)), "")
	if err != nil {
		t.Fatal(err)
	}
	return newWorld(t, simulator.Options{}, func(o *Options) { o.Credential = Credential{Certificate: c} }), c
}

func TestCertificateCredential(t *testing.T) {
	t.Parallel()
	w, c := certified(t)
	_, _, err := w.finish(mona)
	if e := asKind(t, err, KindMisconfigured); e.AADSTS != "700027" {
		t.Errorf("unregistered: %v", e)
	}
	w.sim.RegisterCertificate(c.Leaf())
	id, session := w.signedIn()
	session.mu.Lock()
	session.blob = aged(t, session.blob)
	session.mu.Unlock()
	w.token(session, id.Account)
	if saves, _ := session.counts(); saves != 1 {
		t.Error("no refresh")
	}
	for _, r := range w.sim.Requests() {
		if strings.Contains(r.Body, "client_secret") {
			t.Error("a secret was sent")
		}
	}
}

func TestFederatedFile(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "token")
		w := newWorld(t, simulator.Options{}, func(o *Options) { o.Credential = Credential{AssertionFile: file} })
		write := func(text string) {
			t.Helper()
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w.sim.SetFederatedAssertions("canary-first")
		write("canary-first\n")
		id, c := w.signedIn()
		// It rotates between two calls, as Kubernetes does it.
		w.sim.SetFederatedAssertions("canary-second")
		write("canary-second")
		pass(80 * time.Minute)
		w.token(c, id.Account)

		for name, spoil := range map[string]func(){
			"empty":     func() { write(" \n") },
			"missing":   func() { _ = os.Remove(file) },
			"too large": func() { write(strings.Repeat("canary", maxAssertion)) },
			"outdated":  func() { write("canary-first") },
		} {
			pass(80 * time.Minute)
			spoil()
			for range 3 {
				_, err := w.AccessToken(t.Context(), c, id.Account)
				wantKind(t, err, KindMisconfigured)
			}
			_, _, err := w.finish(mona)
			wantKind(t, err, KindMisconfigured)
			if name != "outdated" && !strings.Contains(err.Error(), "federated token file") {
				t.Errorf("%s: %v", name, err)
			}
			for _, text := range allTexts(err) {
				if strings.Contains(text, "canary") {
					t.Errorf("%s: told: %s", name, text)
				}
			}
			if _, drops := c.counts(); drops != 0 {
				t.Fatalf("%s: the sign-in was dropped", name)
			}
			write("canary-second")
			pass(longestPause)
			w.token(c, id.Account)
		}
	})
}

// vault is a Credential that is kept elsewhere.
type vault struct {
	mu    sync.Mutex
	now   Credential
	err   error
	reads int
	gate  chan struct{}
}

func (v *vault) read(ctx context.Context) (Credential, error) {
	v.mu.Lock()
	v.reads++
	c, err, gate := v.now, v.err, v.gate
	v.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return Credential{}, ctx.Err()
		}
	}
	return c, err
}

func (v *vault) set(c Credential, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.now, v.err = c, err
}

// hold makes reads wait for the gate.
func (v *vault) hold(gate chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.gate = gate
}

func (v *vault) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.reads
}

// atVault is a Provider whose fake Entra takes only the secrets that valid says.
func atVault(t *testing.T, v *vault) (w *world, f *fake, accept func(secrets ...string)) {
	t.Helper()
	w, f = newFakeWorld(t, func(o *Options) { o.Credential = Credential{Current: v.read} })
	var good []string
	f.instead = func(rw http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		secret := f.forms[len(f.forms)-1]["client_secret"]
		fine := strings.Contains(strings.Join(good, " "), secret)
		f.mu.Unlock()
		if !fine {
			refusing(http.StatusUnauthorized, map[string]any{"error": "invalid_client", "error_codes": []int{7000215}})(rw, r)
			return
		}
		giveJSON(rw, http.StatusOK, f.tokenAnswer())
	}
	return w, f, func(secrets ...string) { f.set(func(*fake) { good = secrets }) }
}

// A secret in a vault is read once for all, again after ten minutes behind the scenes, and kept when that fails.
func TestCredentialInAVault(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		v := &vault{now: Credential{Secret: "canary-1"}}
		w, f, accept := atVault(t, v)
		accept("canary-1", "canary-2")
		if v.count() != 0 {
			t.Error("read before it was needed")
		}
		for range 10 {
			id, c := w.signedInAt(f)
			w.token(c, id.Account)
		}
		if v.count() != 1 {
			t.Errorf("read %d times", v.count())
		}
		v.set(Credential{Secret: "canary-2"}, nil)
		pass(credentialFresh)
		gate := make(chan struct{})
		v.hold(gate)
		w.signedInAt(f) // with what is there
		if got := f.lastForm()["client_secret"]; got != "canary-1" {
			t.Errorf("proved with %s", got)
		}
		close(gate)
		synctest.Wait()
		w.signedInAt(f)
		if got := f.lastForm()["client_secret"]; got != "canary-2" || v.count() != 2 {
			t.Errorf("proved with %s, read %d times", got, v.count())
		}
		v.set(Credential{}, errors.New("the vault is down"))
		for range 5 {
			pass(credentialFresh)
			w.signedInAt(f)
		}
		if got := f.lastForm()["client_secret"]; got != "canary-2" || !strings.Contains(w.log.String(), "could not be read") {
			t.Errorf("proved with %s", got)
		}
	})
}

// A rotated secret is read at once when Entra doesn't take the old one; nobody notices.
func TestRotationInAVault(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		v := &vault{now: Credential{Secret: "canary-1"}}
		w, f, accept := atVault(t, v)
		accept("canary-1")
		id, c := w.signedInAt(f)
		v.set(Credential{Secret: "canary-2"}, nil)
		accept("canary-2")
		w.signedInAt(f)
		if v.count() != 2 || f.count("token") != 3 {
			t.Errorf("read %d times, %d token calls", v.count(), f.count("token"))
		}
		pass(time.Hour)
		v.set(Credential{Secret: "canary-3"}, nil)
		accept("canary-3")
		w.token(c, id.Account)
		if _, drops := c.counts(); drops != 0 {
			t.Error("the sign-in was dropped")
		}
	})
}

// A vault that holds a secret that Entra doesn't take isn't asked for a better one with every request.
func TestWrongSecretInAVault(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		v := &vault{now: Credential{Secret: "canary-1"}}
		w, f, accept := atVault(t, v)
		accept("another")
		for range 20 {
			_, _, err := w.finishFake(f)
			wantKind(t, err, KindMisconfigured)
		}
		if v.count() != 2 || f.count("token") != 20 {
			t.Errorf("read %d times, %d token calls", v.count(), f.count("token"))
		}
		v.set(Credential{Secret: "another"}, nil)
		pass(forceEvery)
		w.signedInAt(f)
	})
}

// Without the vault nobody can sign in, but all who hold a token go on; and each error says what kind it is.
func TestVaultOutOfReach(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		now  Credential
		err  error
		want Kind
	}{
		"for the moment": {err: &Error{Kind: KindUnavailable, Err: errors.New("the vault doesn't answer")}, want: KindUnavailable},
		"forbidden":      {err: errors.New("the vault refuses"), want: KindMisconfigured},
		"nothing in it":  {want: KindMisconfigured},
		"a file's name":  {now: Credential{AssertionFile: "/etc/passwd"}, want: KindMisconfigured},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				v := &vault{now: Credential{Secret: "canary-1"}}
				w, f, accept := atVault(t, v)
				accept("canary-1")
				id, session := w.signedInAt(f)
				_, expired := w.signedInAt(f)
				expired.blob = aged(t, expired.blob)
				v.set(c.now, c.err)
				fresh := w.another()
				if _, err := fresh.AccessToken(t.Context(), session, id.Account); err != nil {
					t.Errorf("a valid token: %v", err)
				}
				_, err := fresh.AccessToken(t.Context(), expired, id.Account)
				wantKind(t, err, c.want)
				if _, drops := expired.counts(); drops != 0 {
					t.Error("the sign-in was dropped")
				}
				_, _, err = fresh.Begin(t.Context(), BeginOptions{})
				wantKind(t, err, c.want)
				v.set(Credential{Secret: "canary-1"}, nil)
				pass(memoPause)
				if _, err := fresh.AccessToken(t.Context(), expired, id.Account); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			})
		})
	}
}

// A vault's client that panics is no reason for the process to end.
func TestPanickingVault(t *testing.T) {
	t.Parallel()
	w, _ := newFakeWorld(t, func(o *Options) {
		o.Credential = Credential{Current: func(context.Context) (Credential, error) { panic([]string{"canary"}[1:][0]) }}
	})
	_, _, err := w.Begin(t.Context(), BeginOptions{})
	wantKind(t, err, KindOther)
	if log := w.log.String(); strings.Contains(log, "canary") || !strings.Contains(log, "index out of range") {
		t.Errorf("log: %s", log)
	}
}

// A vault that hangs doesn't hold anybody who has a token, and nobody for ever.
func TestVaultHangs(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		v := &vault{now: Credential{Secret: "canary-1"}}
		w, f, accept := atVault(t, v)
		accept("canary-1")
		id, c := w.signedInAt(f)
		v.hold(make(chan struct{}))
		fresh := w.another()
		start := time.Now()
		if _, err := fresh.AccessToken(t.Context(), c, id.Account); err != nil || time.Since(start) != 0 {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		_, _, err := fresh.Begin(t.Context(), BeginOptions{})
		wantKind(t, err, KindUnavailable)
		if took := time.Since(start); took != callTimeout {
			t.Errorf("took %s", took)
		}
	})
}

// A certificate in a vault is exchanged for another one in the same way.
func TestCertificateInAVault(t *testing.T) {
	t.Parallel()
	w, first := certified(t)
	second := issue(t, "second", fakeKeys()[1].key, nil)
	newer, err := ParseCertificate(joined(second.pem(), second.keyPEM(t)), "")
	if err != nil {
		t.Fatal(err)
	}
	v := &vault{now: Credential{Certificate: first}}
	w.options.Credential = Credential{Current: v.read}
	w.Provider = w.another()
	w.sim.RegisterCertificate(newer.Leaf()) // and the first one no longer is
	_, _, err = w.finish(mona)
	wantKind(t, err, KindMisconfigured)
	v.set(Credential{Certificate: newer}, nil)
	w.Provider = w.another()
	w.signedIn()
	if !(Credential{Certificate: newer}).is(Credential{Certificate: newer}) || (Credential{Certificate: newer}).is(Credential{Secret: "x"}) {
		t.Error("certificates are told apart wrongly")
	}
}

func TestCredentialsAreNotPrinted(t *testing.T) {
	t.Parallel()
	_, c := certified(t)
	for want, credential := range map[string]Credential{
		"client secret": {Secret: "canary"}, "certificate": {Certificate: c}, "federated token file": {AssertionFile: "canary"},
		"no credential": {}, "credential kept elsewhere": {Current: func(context.Context) (Credential, error) { return Credential{}, nil }},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			if got := fmt.Sprintf(verb, credential); got != want {
				t.Errorf("%s: %s", verb, got)
			}
		}
		if got := credential.LogValue().String(); got != want {
			t.Errorf("logged %s", got)
		}
		if got := fmt.Sprintf("%+v", Options{Credential: credential}); strings.Contains(got, "canary") {
			t.Errorf("within options: %s", got)
		}
	}
	a := Attempt{State: "canary", Nonce: "canary", Verifier: "canary"}
	if got := fmt.Sprintf("%v %+v %#v %s", a, a, a, a.LogValue()); strings.Contains(got, "canary") {
		t.Errorf("an attempt: %s", got)
	}
}
