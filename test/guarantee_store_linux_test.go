package test

import (
	"context"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/session/sessiontest"
	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/webtest"
)

// storeFaults are those that can be brought about here, each with a folder of its own. A disk takes the right to mount
// one, which root has; everybody else can be kept from writing.
func storeFaults(t *testing.T) []storeFault {
	t.Helper()
	faults := []storeFault{folderGone(t)}
	if os.Geteuid() != 0 {
		return append(faults, folderClosed(t))
	}
	if !sessiontest.MayMount() {
		return faults
	}
	return append(faults, diskFull(t), diskFullOfFiles(t), diskReadOnly(t))
}

// folderClosed: the right to write is taken away.
func folderClosed(t *testing.T) storeFault {
	dir := filepath.Join(t.TempDir(), "sessions")
	chmod := func(mode fs.FileMode) func() {
		return func() {
			testkit.Must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
				if err != nil || !e.IsDir() {
					return err
				}
				return os.Chmod(path, mode)
			}))
		}
	}
	return storeFault{"folder closed", dir, chmod(0o500), chmod(0o700)}
}

func diskFull(t *testing.T) storeFault {
	disk := sessiontest.NewDisk(t, "size=1m")
	return storeFault{"disk full", filepath.Join(disk.Dir, "sessions"), disk.Fill, disk.Empty}
}

// diskFullOfFiles has room for bytes, and for no more files.
func diskFullOfFiles(t *testing.T) storeFault {
	disk := sessiontest.NewDisk(t, "size=10m,nr_inodes=1000")
	return storeFault{"disk full of files", filepath.Join(disk.Dir, "sessions"), disk.FillInodes, disk.Empty}
}

func diskReadOnly(t *testing.T) storeFault {
	disk := sessiontest.NewDisk(t, "size=1m")
	return storeFault{"disk read-only", filepath.Join(disk.Dir, "sessions"), func() { disk.Remount("ro") }, func() { disk.Remount("rw") }}
}

// F5, F14: the store fails before the form is claimed, before the call is recorded, or before the secret is kept, with
// somebody there to read the answer and without.
func TestStoreFails(t *testing.T) {
	t.Parallel()
	for _, fault := range storeFaults(t) {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			sim := simulator.New(seeded().sim)
			testkit.Must(t, sim.Start(t.Context()))
			t.Cleanup(sim.Close)
			d := startDeskOn(t, sim, deskOptions{}, fault.dir)
			b := d.signedIn(mona)
			t.Run("before the claim", func(t *testing.T) { storeFailsBeforeSending(t, d, b, fault, nil) })
			t.Run("before the intent", func(t *testing.T) {
				storeFailsBeforeSending(t, d, b, fault, d.sim.Hold(simulator.CallList, "contoso", true))
			})
			t.Run("before the secret", func(t *testing.T) { storeFailsForTheSecret(t, d, b, fault) })
			t.Run("before the secret, nobody there", func(t *testing.T) { storeFailsWithNobodyThere(t, d, b, fault) })
			wantNoSecret(t, d.sim, "the log", d.log.String())
		})
	}
}

// storeFailsBeforeSending: nothing is sent and everybody is told; the same form works when the store does.
func storeFailsBeforeSending(t *testing.T, d *desk, b *webtest.Browser, fault storeFault, held *simulator.Held) {
	name := t.Name()
	to, form := createForm(b, d.url, "contoso", name)
	if held == nil {
		fault.spoil()
	}
	answer := sending(context.Background(), b, d.transport(), to, form)
	if held != nil {
		<-held.Reached()
		fault.spoil()
		held.Release()
	}
	r := <-answer
	fault.mend()
	if r.status != http.StatusServiceUnavailable || createsOf(d.sim, name) != 0 {
		t.Errorf("%d creates; %s", createsOf(d.sim, name), r.says())
	}
	if b.Post(to.String(), form); b.Has("button", "Create token") { // the claim couldn't be taken back: it says so, with a fresh form
		b.Press("Create token")
	}
	if len(made(d.sim, name)) != 1 || fate(b, made(d.sim, name)[0]) != "shown" || createsOf(d.sim, name) != 1 {
		t.Errorf("sent again: %d, %d creates\n%s", b.Status, createsOf(d.sim, name), says(b))
	}
	b.Press("I have saved it")
}

// storeFailsForTheSecret: it stands in the answer itself, with a warning; afterwards nothing untrue is said of it, and how to
// get rid of the token.
func storeFailsForTheSecret(t *testing.T, d *desk, b *webtest.Browser, fault storeFault) {
	name := t.Name()
	to, form := createForm(b, d.url, "contoso", name)
	held := d.sim.Hold(simulator.CallCreate, "contoso", true)
	answer := sending(context.Background(), b, d.transport(), to, form)
	<-held.Reached()
	fault.spoil()
	held.Release()
	r := <-answer
	fault.mend()
	secret := made(d.sim, name)[0].Secret
	if strings.Contains(r.says(), "Its secret will wait for you") {
		t.Errorf("a banner leads away from the only copy of the secret: %s", r.says())
	}
	if r.status != http.StatusOK || !strings.Contains(r.body, secret) || !strings.Contains(r.body, "Copy it now") {
		t.Error(r.says())
	}
	b.Open(d.url + "/changes").Click("Create " + name)
	if !strings.Contains(says(b), "couldn't keep this secret. It stood in the answer to your form") || secretOf(b) != "" || !b.Has("link", "Rotate the token") {
		t.Errorf("%d\n%s", b.Status, says(b))
	}
	b.Click("Revoke the token").Press("Revoke")
	if createsOf(d.sim, name) != 1 || !made(d.sim, name)[0].Revoked {
		t.Errorf("%d creates; %+v", createsOf(d.sim, name), made(d.sim, name))
	}
}

// storeFailsWithNobodyThere: a secret that can be neither kept nor shown is worth nothing, so its token goes; if even
// that can't be done, it is named.
func storeFailsWithNobodyThere(t *testing.T, d *desk, b *webtest.Browser, fault storeFault) {
	name := t.Name()
	to, form := createForm(b, d.url, "contoso", name)
	held := d.sim.Hold(simulator.CallCreate, "contoso", true)
	ctx, giveUp := context.WithCancel(context.Background())
	answer := sending(ctx, b, d.transport(), to, form)
	<-held.Reached()
	giveUp()
	if r := <-answer; r.err == nil {
		t.Fatal("an answer came:", r.says())
	}
	fault.spoil()
	held.Release()
	testkit.Until(t, "the program is done with it", func() bool { return strings.Contains(d.log.String(), "could be neither kept nor shown") })
	fault.mend()
	b.Open(d.url + "/changes").Click("Create " + name)
	got := fate(b, made(d.sim, name)[0])
	if got != "revoked" && got != "named" || createsOf(d.sim, name) != 1 {
		t.Errorf("%s, %d creates\n%s", got, createsOf(d.sim, name), says(b))
	}
	if got == "named" {
		b.Press("Revoke this token")
	}
}

// The store fails between the secret and the record of the outcome: the secret is in the answer, and again on the
// change's page when the store works.
func TestStoreFailsForTheOutcome(t *testing.T) {
	t.Parallel()
	for _, fault := range storeFaults(t) {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 1, seeded().sim, "SESSION_DIR="+fault.dir)
			s.dir = fault.dir
			b := s.signedIn(mona)
			to, form := createForm(b, s.url, "contoso", "kept")
			s.members[0].holdAt("kept")
			answer := sending(context.Background(), b, s.trip(), to, form)
			s.members[0].held()
			fault.spoil()
			s.members[0].letGo()
			r := <-answer
			fault.mend()
			token := made(s.sim, "kept")[0]
			if r.status != http.StatusOK || !strings.Contains(r.body, token.Secret) {
				t.Error(r.says())
			}
			s.members[0].restart()
			if b.Open(s.url + "/tokens").Click("Show the secret"); fate(b, token) != "shown" || createsOf(s.sim, "kept") != 1 {
				t.Errorf("%d\n%s", b.Status, says(b))
			}
			s.wantQuietLog()
		})
	}
}

// The store, which keeps the access tokens too, fails after the claim of a change: nothing is sent, and the page says what
// has failed. It wasn't Entra ID.
func TestStoreFailsForTheAccessToken(t *testing.T) {
	t.Parallel()
	fault := folderGone(t)
	s := newSite(t, 1, seeded().sim, "SESSION_DIR="+fault.dir)
	b := s.signedIn(mona)
	d := &desk{t: t, url: s.url, sim: s.sim}
	for _, verb := range []string{"revoke", "edit"} {
		c := newNetworkCase(t, d, b, verb, verb+" without an access token")
		_, to, form := b.Form(c.button)
		s.members[0].holdAt("claimed")
		answer := sending(context.Background(), b, s.trip(), to, form)
		s.members[0].held()
		fault.spoil()
		s.members[0].goOnTo("answered")
		fault.mend()
		s.members[0].letGo()
		r := <-answer
		if r.status != http.StatusServiceUnavailable || !strings.Contains(r.says(), "can't reach its store") || strings.Contains(r.says(), "Entra") {
			t.Errorf("%s: %s", verb, r.says())
		}
		if now, _ := s.sim.Token(c.old.AuthorizationID); now.Revoked || now.DisplayName != c.name {
			t.Errorf("%s: it was done: %+v", verb, now)
		}
	}
}

// F5, the last of four: the store fails when all is recorded and the answer is sent. It leads to a page that can't be
// shown yet; when the store works, the secret is there.
func TestStoreFailsForTheSession(t *testing.T) {
	t.Parallel()
	for _, fault := range storeFaults(t) {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 1, seeded().sim, "SESSION_DIR="+fault.dir)
			b := s.signedIn(mona)
			to, form := createForm(b, s.url, "contoso", "recorded")
			s.members[0].holdAt("recorded")
			answer := sending(context.Background(), b, s.trip(), to, form)
			s.members[0].held()
			fault.spoil()
			s.members[0].letGo()
			r := <-answer
			while := b.Twin().Open(s.url + "/scopes")
			fault.mend()
			if r.status != http.StatusSeeOther || !strings.HasPrefix(r.to, "/operations/") {
				t.Error(r.says())
			}
			if while.Status != http.StatusOK && while.Status != http.StatusServiceUnavailable {
				t.Errorf("meanwhile: %d %s", while.Status, says(while))
			}
			if b.Open(s.url + r.to); fate(b, made(s.sim, "recorded")[0]) != "shown" || createsOf(s.sim, "recorded") != 1 {
				t.Errorf("%d\n%s", b.Status, says(b))
			}
		})
	}
}
