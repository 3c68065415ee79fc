package features

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// records are those of the log about requests of one route.
func records(d *apptest.Program, method, route string) []map[string]any {
	var found []map[string]any
	for line := range strings.Lines(d.Log.String()) {
		var record map[string]any
		if json.Unmarshal([]byte(line), &record) == nil && record["msg"] == "request" && record["method"] == method && record["route"] == route {
			found = append(found, record)
		}
	}
	return found
}

// One request is one record: who, what, from where, how it went, how long it took, and how much of that Azure DevOps
// took, with the service's own id where it failed.
func TestRequestRecord(t *testing.T) {
	t.Parallel()
	o := apptest.Seeded()
	o.Env = map[string]string{"LOG_FORMAT": "json", "BASE_URL": "http://localhost:5000", "TRUSTED_PROXIES": "127.0.0.1"}
	d := apptest.Start(t, o)
	d.URL = "http://" + d.Address
	d.Sim.SetRedirectURIs("http://localhost:5000/getAToken")
	b := d.Browser()
	b.Edit(func(r *http.Request) {
		r.Header.Set("X-Forwarded-For", "198.51.100.1, 203.0.113.7")
		r.Header.Set("X-Request-Id", "proxy-4711")
		r.Header.Set("Origin", "http://localhost:5000")
	})
	_, to, form := b.Open(d.URL + "/sign-in?return=/changes").Click("Sign in").Form("Continue as " + apptest.Mona)
	back := apptest.CallbackOf(t, b, to, form)
	b.Open(strings.Replace(back, "http://localhost:5000", d.URL, 1))
	b.Open(d.URL + "/changes")
	d.Sim.SetFault("serverError500", simulator.FaultOptions{Call: simulator.CallList})
	b.Open(d.URL + "/tokens?organization=contoso")
	list := records(d, "GET", "/tokens")
	if len(list) != 1 {
		t.Fatalf("%d records of one request:\n%s", len(list), d.Log)
	}
	for name, want := range map[string]any{
		"request_id": "proxy-4711", "path": "/tokens", "status": 502.0, "client": "203.0.113.7", "level": "WARN",
	} {
		if list[0][name] != want {
			t.Errorf("%s is %v, want %v", name, list[0][name], want)
		}
	}
	for _, name := range []string{"duration_ms", "person", "session", "upstream_calls", "upstream_ms", "activity_id", "error", "bytes"} {
		if list[0][name] == nil || list[0][name] == "" {
			t.Errorf("%s is missing: %v", name, list[0])
		}
	}
	if person, _ := list[0]["person"].(string); strings.Contains(strings.ToLower(person), "mona") || len(person) != 36 {
		t.Errorf("person is %s, want an object id", person)
	}
	changes := records(d, "GET", "/changes")
	if len(changes) == 0 || changes[0]["upstream_calls"] != nil || changes[0]["session"] != list[0]["session"] {
		t.Errorf("a page that asked nobody: %v", changes)
	}
	if callback := records(d, "GET", "/getAToken"); len(callback) != 1 || callback[0]["upstream_calls"] == nil || strings.Contains(d.Log.String(), "code=") {
		t.Errorf("the callback: %v", callback)
	}
}

// A refusal that comes with 200 has the service's id, too, and says where it was without an empty word.
func TestRecordOfARefusalWith200(t *testing.T) {
	t.Parallel()
	o := apptest.Seeded()
	o.Env = map[string]string{"LOG_FORMAT": "json"}
	d := apptest.Start(t, o)
	d.Sim.SetFault("patTokenError:invalidValidTo", simulator.FaultOptions{Call: simulator.CallCreate})
	d.SignedIn(apptest.Mona).Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "refused").Choose("Code", "Read").Press("Create token")
	var list []map[string]any
	testkit.Until(t, "it is recorded", func() bool { list = records(d, "POST", "/tokens/new"); return len(list) > 0 })
	if len(list) != 1 || list[0]["status"] != 422.0 {
		t.Fatalf("%v", list)
	}
	text, _ := list[0]["error"].(string)
	if id, _ := list[0]["activity_id"].(string); id == "" || !strings.Contains(text, id) || !strings.HasPrefix(text, "azuredevops: in contoso: invalidValidTo") {
		t.Errorf("%v", list[0])
	}
}
