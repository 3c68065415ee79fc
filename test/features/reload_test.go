package features

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/patdesk/patdesk/internal/freeport"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// reloadable is the built program with settings in .env and in files, which a test changes.
type reloadable struct {
	*apptest.Process
	sim     *simulator.Simulator
	dir     string
	address string
}

const oldSessionKey, newSessionKey = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="

func startReloadable(t *testing.T, secret string) *reloadable {
	t.Helper()
	sim := simulator.New(simulator.Options{Seed: true})
	testkit.Must(t, sim.StartTLS(context.Background()))
	t.Cleanup(sim.Close)
	r := &reloadable{sim: sim, dir: t.TempDir()}
	port := freeport.Port(t)
	r.address = "http://localhost:" + port
	sim.SetRedirectURIs(r.address + "/getAToken")
	r.write(t, "ca.pem", string(sim.CertPEM()))
	r.write(t, "secret", secret+"\n")
	r.write(t, "keys", oldSessionKey)
	r.settings(t, "LOG_LEVEL=info")
	r.Process = apptest.StartBinary(t, r.dir, "SSL_CERT_FILE="+filepath.Join(r.dir, "ca.pem"), "LISTEN_ADDRESS=localhost:"+port)
	r.WaitFor("serving")
	return r
}

func (r *reloadable) write(t *testing.T, name, content string) {
	t.Helper()
	testkit.Must(t, os.WriteFile(filepath.Join(r.dir, name), []byte(content), 0o600))
}

// settings writes .env, with more lines.
func (r *reloadable) settings(t *testing.T, more string) {
	t.Helper()
	r.write(t, ".env", fmt.Sprintf("CLIENT_ID=%s\nCLIENT_SECRET_FILE=%s\nSESSION_KEYS_FILE=%s\nAUTHORITY=%s\nENDPOINT=%s\nDISCOVERY_ENDPOINT=%s\n%s\n",
		r.sim.ClientID(), filepath.Join(r.dir, "secret"), filepath.Join(r.dir, "keys"), r.sim.Authority(), r.sim.Endpoint(), r.sim.DiscoveryEndpoint(), more))
}

// hangup sends SIGHUP and waits until the log says words once more.
func (r *reloadable) hangup(t *testing.T, words string) {
	t.Helper()
	before := strings.Count(r.Log.String(), words)
	testkit.Must(t, r.Cmd.Process.Signal(syscall.SIGHUP))
	testkit.Until(t, words, func() bool { return strings.Count(r.Log.String(), words) > before })
}

func (r *reloadable) signIn(t *testing.T) (b *webtest.Browser, in bool) {
	t.Helper()
	b = webtest.New(t, r.sim.Client().Transport).Open(r.address)
	apptest.SignIn(b, apptest.Mona)
	return b, b.Status == http.StatusOK && b.Has("button", "Sign out")
}

// SIGHUP has the settings read again, in the middle of a change: nothing in flight is lost, everybody stays signed in,
// and keys and log level are other ones from then on. It never ends the process.
func TestHangupReloads(t *testing.T) {
	t.Parallel()
	r := startReloadable(t, testSecret)
	b, in := r.signIn(t)
	if !in {
		t.Fatalf("%s\n%s", b.Text(), r.Log)
	}
	_, to, form := b.Open(r.address+"/tokens/new?organization=contoso").Fill("Name", "through a reload").Choose("Code", "Read").Form("Create token")
	held := r.sim.Hold(simulator.CallCreate, "", false)
	answer := apptest.Sending(t.Context(), b, r.sim.Client().Transport, to, form)
	<-held.Reached()
	r.write(t, "keys", newSessionKey+"\n"+oldSessionKey)
	r.settings(t, "LOG_LEVEL=debug\nRATE_LIMIT_CHANGES=7")
	for range 3 {
		r.hangup(t, "some take effect only after a restart")
	}
	held.Release()
	if a := <-answer; a.Status != http.StatusSeeOther {
		t.Errorf("the change under way: %s", a.Says())
	}
	if b.Open(r.address + "/tokens?organization=contoso"); b.Status != http.StatusOK || !strings.Contains(b.Text(), "through a reload") {
		t.Errorf("signed out, or nothing made: %d %s\n%s", b.Status, b.URL, b.Text())
	}
	if log := r.Log.String(); !strings.Contains(log, "settings=[RATE_LIMIT_CHANGES]") {
		t.Errorf("it isn't said what takes a restart:\n%s", log)
	}
	webtest.New(t, nil).Open(r.address + "/healthz")
	testkit.Until(t, "the log has another level", func() bool { return strings.Contains(r.Log.String(), "level=DEBUG msg=request") })
	if _, in := r.signIn(t); !in {
		t.Error("nobody can sign in any more")
	}
	r.write(t, "keys", newSessionKey) // what was made with the old one is gone then
	r.settings(t, "LOG_LEVEL=debug")
	r.hangup(t, `msg="settings were reloaded"`)
	if _, in := r.signIn(t); !in {
		t.Error("nobody can sign in without the old key")
	}
	r.Terminate()
}

// Wrong settings are named, and the running ones go on.
func TestHangupWithWrongSettings(t *testing.T) {
	t.Parallel()
	r := startReloadable(t, testSecret)
	b, in := r.signIn(t)
	if !in {
		t.Fatalf("%s\n%s", b.Text(), r.Log)
	}
	for words, spoil := range map[string]func(){
		"setting=LOG_LEVEL":          func() { r.settings(t, "LOG_LEVEL=loud") },
		"setting=CLIENT_SECRET_FILE": func() { r.settings(t, ""); r.write(t, "secret", "\xFF\xFEh\x00") },
		"setting=SESSION_KEYS":       func() { r.settings(t, ""); r.write(t, "secret", testSecret); r.write(t, "keys", "short") },
		"setting=.env":               func() { r.write(t, ".env", "import os\n") },
	} {
		spoil()
		r.hangup(t, `level=ERROR msg="settings were not reloaded" `+words)
		if b.Open(r.address + "/tokens"); b.Status != http.StatusOK || !b.Has("button", "Sign out") {
			t.Errorf("%s: signed out: %d", words, b.Status)
		}
		if _, in := r.signIn(t); !in {
			t.Errorf("%s: nobody can sign in", words)
		}
	}
	r.Terminate()
}

// A client secret that was wrong is mended in its file alone: by SIGHUP, or by itself when Entra ID refuses the old one.
func TestCorrectedSecretNeedsNoRestart(t *testing.T) {
	t.Parallel()
	for _, signal := range []bool{true, false} {
		r := startReloadable(t, "FAKE~outdated")
		if signal {
			if b, in := r.signIn(t); in || !strings.Contains(b.Text(), "AADSTS7000215") {
				t.Fatalf("%s\n%s", b.Text(), r.Log)
			}
		}
		r.write(t, "secret", testSecret)
		if signal {
			r.hangup(t, `msg="settings were reloaded"`)
		}
		if b, in := r.signIn(t); !in {
			t.Errorf("signal %v: %s\n%s", signal, b.Text(), r.Log)
		}
		if strings.Contains(r.Log.String(), "outdated") || bytes.Contains([]byte(r.Log.String()), []byte(testSecret)) {
			t.Error("the log holds a secret")
		}
		r.Terminate()
	}
}

const testSecret = simulator.DefaultClientSecret
