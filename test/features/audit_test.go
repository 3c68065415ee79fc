package features

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
	"github.com/patdesk/patdesk/internal/webtest"
)

// trail reads the audit trail out of a log in JSON, and forgets what was read before.
type trail struct {
	t    *testing.T
	d    *apptest.Program
	read int
}

// next are the records since the last call.
func (r *trail) next() (records []map[string]any) {
	r.t.Helper()
	lines := strings.Split(strings.TrimSpace(r.d.Log.String()), "\n")
	for _, line := range lines[r.read:] {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			r.t.Fatalf("%v: %s", err, line)
		}
		if record["audit"] == true {
			records = append(records, record)
		}
	}
	r.read = len(lines)
	return records
}

// says checks that exactly these were written since the last call: event, outcome, and other fields as name=value. That
// a secret was shown is written when the browser has it.
func (r *trail) says(doing string, want ...string) {
	r.t.Helper()
	records := r.next()
	if slices.ContainsFunc(want, func(line string) bool { return strings.HasPrefix(line, "show-secret") }) {
		testkit.Until(r.t, doing+" is told", func() bool {
			records = append(records, r.next()...)
			return len(records) >= len(want)
		})
	}
	var got []string
	for i, record := range records {
		line := fmt.Sprintf("%v %v", record["event"], record["outcome"])
		if i < len(want) {
			for _, field := range strings.Fields(want[i])[2:] {
				name, _, _ := strings.Cut(field, "=")
				line += fmt.Sprintf(" %s=%v", name, record[name])
			}
		}
		got = append(got, line)
		if record["level"] != "INFO" || record["msg"] != "audit" || record["client"] != "127.0.0.1" || record["request_id"] == "" || record["browser"] != "Go-http-client/1.1" {
			r.t.Errorf("%s: %v", doing, record)
		}
		if person := record["person"]; record["event"] != "sign-in" && person == nil {
			r.t.Errorf("%s: by nobody: %v", doing, record)
		}
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("%s:\n%s\nwant\n%s", doing, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func idOfOperation(b *webtest.Browser) string { return strings.TrimPrefix(b.URL.Path, "/operations/") }

// Everything that is changed through patdesk stands in the audit trail, once, with who, from where, what and how it
// went; also where the log is to be quiet.
func TestAuditTrail(t *testing.T) {
	t.Parallel()
	o := apptest.Seeded()
	o.Env = map[string]string{"LOG_FORMAT": "json", "LOG_LEVEL": "error"}
	d := apptest.Start(t, o)
	r := &trail{t: t, d: d}
	declined := d.Browser().Click("Sign in").Press("Decline")
	r.says("declining", "sign-in refused kind=declined source=entra")
	declined.Click("Sign in again").Press("Continue as " + apptest.Mona)
	b := declined
	const who = " person=30aa0000-de30-4000-8000-000000000011 username=mona.rivera@contoso.example"
	r.says("signing in", "sign-in done"+who)

	b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "audited").Choose("Code", "Read").Press("Create token")
	id := idOfOperation(b)
	about := " organization=contoso operation=" + id
	r.says("creating", "create sent name=audited"+about+who, "create done name=audited"+about, "show-secret done name=audited"+about)
	b.Press("I have saved it")
	r.says("saving the secret", "save-secret done name=audited"+about)
	b.Open(d.URL+"/tokens?organization=contoso&q=audited").Click("audited").Click("Edit").Fill("Name", "renamed").Press("Save changes")
	r.says("changing", "update sent name=audited", "update done name=renamed organization=contoso")
	token := strings.TrimPrefix(b.URL.Path, "/tokens/contoso/")
	b.Click("Rotate").Press("Rotate")
	r.says("rotating", "rotate sent token="+token, "rotate done name=renamed", "show-secret done name=renamed")
	b.Press("I have saved it").Press("Revoke the old token")
	r.says("finishing", "save-secret done", "revoke-old sent token="+token, "revoke-old done token="+token)
	b.Open(d.URL + "/tokens?organization=contoso&q=renamed").Click("renamed").Click("Revoke")
	d.Sim.SetFault("forbiddenJSON", simulator.FaultOptions{Call: simulator.CallRevoke})
	b.Press("Revoke")
	d.Sim.ClearFaults()
	r.says("a revoke that is refused", "revoke sent name=renamed", "revoke refused status=403 source=azuredevops")
	b.Press("Revoke")
	r.says("revoking", "revoke sent", "revoke done name=renamed")

	b.Open(d.URL+"/tokens/new?organization=fabrikam").Fill("Name", "lost").Choose("Code", "Read")
	d.Sim.SetFault("resetAfterDoing", simulator.FaultOptions{Call: simulator.CallCreate, Times: 1})
	b.Press("Create token")
	r.says("an answer that is lost", "create sent name=lost", "create unknown kind=connection", "reconcile unknown found=1")
	b.Press("Revoke this token")
	r.says("revoking what may be the lost one", "revoke-candidate done name=lost organization=fabrikam")
	b.Open(d.URL+"/tokens/new?organization=fabrikam").Fill("Name", "lost too").Choose("Code", "Read")
	d.Sim.SetFault("resetAfterDoing", simulator.FaultOptions{Call: simulator.CallCreate, Times: 1})
	b.Press("Create token").Press("Dismiss")
	r.says("dismissing", "create sent", "create unknown", "reconcile unknown found=1", "dismiss done")
	b.Open(d.URL+"/tokens?organization=fabrikam&q=Container").Click("Container scan").Click("Edit").Fill("Name", "found-out")
	d.Sim.SetFault("resetAfterDoing", simulator.FaultOptions{Call: simulator.CallUpdate, Times: 1})
	b.Press("Save changes")
	r.says("a change that is found out", "update sent", "update unknown late=<nil>", "update done late=true name=found-out")

	b.Open(d.URL + "/calendar").Press("Make an address").Open(d.URL + "/calendar").Press("Revoke the address")
	r.says("calendars", "make-calendar-address done"+who, "revoke-calendar-address done"+who)
	d.SignedInAt(apptest.Mona, "/changes")
	b.Open(d.URL + "/sessions").Press("End all my other sessions").Open(d.URL + "/sign-out").Press("Sign out")
	r.says("sessions", "sign-in done", "end-sessions done count=1"+who, "sign-out done"+who)
	for _, secret := range d.Sim.Secrets() {
		if strings.Contains(d.Log.String(), secret) {
			t.Errorf("the trail holds a secret")
		}
	}
}

// A rotation that revokes at once has both halves in the trail, also when the second fails; one that is kept says that.
func TestAuditTrailOfRotations(t *testing.T) {
	t.Parallel()
	o := apptest.Seeded()
	o.Env = map[string]string{"LOG_FORMAT": "json"}
	d := apptest.Start(t, o)
	r := &trail{t: t, d: d}
	b := d.SignedIn(apptest.Mona)
	rotate := func(name string) {
		b.Open(d.URL+"/tokens?organization=contoso&q="+name).Click(name).Click("Rotate").Choose("The old token", "Revoke it at once").Press("Rotate")
	}
	r.next()
	rotate("Terraform")
	r.says("at once", "rotate sent name=Terraform", "rotate done", "revoke-old sent", "revoke-old done name=Terraform", "show-secret done")
	b.Press("I have saved it")
	r.next()
	b.Open(d.URL + "/tokens?organization=contoso&q=npm").Click("npm restore on CI").Click("Rotate").Press("Rotate").Press("I have saved it")
	r.next()
	d.Sim.SetFault("forbiddenJSON", simulator.FaultOptions{Call: simulator.CallRevoke})
	b.Press("Revoke the old token")
	d.Sim.ClearFaults()
	r.says("a half that fails", "revoke-old sent", "revoke-old refused status=403")
	b.Press("Keep the old token")
	r.says("kept", "keep-old done")
}

// A store that fails: what was sent, and what became of it, is in the trail even where no record could be kept.
func TestAuditTrailWithoutAStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/sessions"
	held := apptest.NewGate(func(r *http.Request) bool {
		return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/_apis/tokens/pats")
	})
	o := apptest.Seeded()
	o.Wrap = held.Wrap
	o.Env = map[string]string{"LOG_FORMAT": "json", "SESSION_DIR": dir}
	d := apptest.Start(t, o)
	r := &trail{t: t, d: d}
	b := d.SignedIn(apptest.Mona)
	b.Open(d.URL+"/tokens/new?organization=fabrikam").Fill("Name", "unkept").Choose("Code", "Read")
	r.next()
	done := make(chan struct{})
	go func() { defer close(done); b.Press("Create token") }()
	held.Wait(t)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	held.Open()
	<-done
	r.says("a secret that can't be kept", "create sent name=unkept", "create done name=unkept organization=fabrikam", "show-secret done")
}

// What others wrote into a token's name, or a browser into its headers, forges no record and fills no log.
func TestAuditTrailOfHostileNames(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "text"} {
		o := apptest.Seeded()
		o.Env = map[string]string{"LOG_FORMAT": format, "LOG_LEVEL": "error"}
		d := apptest.Start(t, o)
		hostile := "x\n{\"audit\":true,\"event\":\"forged\"}\r\naudit=true event=forged \u202e" + strings.Repeat("ü", 900)
		d.Sim.AddToken(simulator.Token{AuthorizationID: "5e7c0000-0000-4000-8000-00000000ffff", DisplayName: hostile, Organization: "contoso", Owner: simulator.Mona, Scope: "vso.wiki", ValidTo: time.Now().AddDate(0, 1, 0)})
		b := d.SignedIn(apptest.Mona)
		before := len(d.Log.String())
		b.Edit(func(r *http.Request) { r.Header.Set("User-Agent", strings.Repeat("a", 9000)+"\u202e") })
		b.Open(d.URL + "/tokens/contoso/5e7c0000-0000-4000-8000-00000000ffff/revoke").Press("Revoke")
		log := d.Log.String()[before:]
		if lines := strings.Split(strings.TrimSpace(log), "\n"); len(lines) != 2 || len(log) > 4000 || strings.Contains(log, "\u202e") {
			t.Errorf("%s: %d lines, %d bytes:\n%s", format, len(lines), len(log), log)
		}
	}
}

// The person's own list says from where each change was asked for, and why one wasn't done.
func TestChangesSayFromWhere(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona)
	const firefox = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:150.0) Gecko/20100101 Firefox/150.0"
	b.Edit(func(r *http.Request) { r.Header.Set("User-Agent", firefox) })
	b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "from here").Choose("Code", "Read").Press("Create token").Press("I have saved it")
	b.Edit(nil)
	b.Open(d.URL + "/tokens?organization=contoso&q=from+here").Click("from here").Click("Revoke")
	d.Sim.SetFault("forbiddenJSON", simulator.FaultOptions{Call: simulator.CallRevoke})
	b.Press("Revoke")
	rows := b.Open(d.URL + "/changes").Page.Find("tbody tr")
	for i, want := range [][]string{
		{"Tried to revoke from here", "contoso", "127.0.0.1", "Go-http-client/1.1", "Failed", "You don't have access"},
		{"Created from here", "contoso", "127.0.0.1", "Firefox on Windows", "Done"},
	} {
		text := webtest.Fold(rows.Eq(i).Text())
		for _, words := range want {
			if !strings.Contains(text, words) {
				t.Errorf("row %d lacks %q: %s", i, words, text)
			}
		}
	}
}
