package bulk

import (
	"fmt"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/handlers/web"

	"github.com/joho/godotenv"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/templates"
)

var bulkNow = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func someToken(id string, left time.Duration, status azuredevops.Status) *inventory.Token {
	return &inventory.Token{Organization: "contoso", Status: status, Token: azuredevops.Token{
		AuthorizationID: id, DisplayName: id, Scopes: []string{"vso.code"}, TargetAccounts: []string{"x"}, ValidFrom: bulkNow.Add(-10 * web.Day), ValidTo: bulkNow.Add(left),
	}}
}

func TestPlanBulk(t *testing.T) {
	global := someToken("global", web.Day, azuredevops.Active)
	global.TargetAccounts = nil
	deadGlobal := someToken("dead", web.Day, azuredevops.Revoked)
	deadGlobal.TargetAccounts = nil
	nameless, scopeless, endless, unnamed := someToken("nameless", web.Day, azuredevops.Active), someToken("scopeless", web.Day, azuredevops.Active), someToken("endless", web.Day, azuredevops.Active), someToken("", web.Day, azuredevops.Active)
	nameless.DisplayName, nameless.Odd = "", []azuredevops.Member{azuredevops.MemberDisplayName}
	scopeless.Scopes = nil
	endless.ValidTo, endless.Odd = time.Time{}, []azuredevops.Member{azuredevops.MemberValidTo}
	unnamed.Odd = []azuredevops.Member{azuredevops.MemberID}
	chosen := []chosenToken{
		{"contoso", "nameless", nameless, false}, {"contoso", "scopeless", scopeless, false}, {"contoso", "endless", endless, false}, {"contoso", "", unnamed, false},
		{"contoso", "a", someToken("a", web.Day, azuredevops.Active), false},
		{"contoso", "a", someToken("a", web.Day, azuredevops.Active), false}, // ticked twice
		{"contoso", "half", someToken("half", web.Day, azuredevops.Active), true},
		{"contoso", "global", global, false}, {"contoso", "dead", deadGlobal, false},
		{"contoso", "expired", someToken("expired", -web.Day, azuredevops.Expired), false},
		{"contoso", "gone", nil, false}, {"fabrikam", "unread", nil, true}, {"fabrikam", "", nil, true}, {"northwind", "", nil, true},
	}
	for action, want := range map[operation.Action]string{
		operation.Revoke: "nameless scopeless endless a half global", operation.Update: "nameless scopeless a half", operation.Rotate: "endless a",
	} {
		items, left := planBulk(action, chosen, func(id string) bool { return id == "half" })
		var got []string
		for _, item := range items {
			got = append(got, item.Before.AuthorizationID)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", action, got, want)
		}
		reasons := map[string]string{}
		for _, one := range left {
			reasons[one.Token.AuthorizationID] = one.Reason
			if !templates.Offered()[0].Has("bulk.leftOut." + one.Reason) {
				t.Errorf("no words for %q", one.Reason)
			}
		}
		if len(items)+len(left) != len(chosen)-1 {
			t.Errorf("%s: %d and %d of %d are accounted for", action, len(items), len(left), len(chosen))
		}
		if action != operation.Revoke && reasons["global"] != leftGlobal {
			t.Errorf("%s: a global token is left out for %q", action, reasons["global"])
		}
		for id, reason := range map[string]string{"dead": leftRevoked, "expired": leftExpired, "gone": leftGone, "unread": leftUnread} {
			if reasons[id] != reason {
				t.Errorf("%s: %s is left out for %q, want %q", action, id, reasons[id], reason)
			}
		}
	}
}

func TestBulkExpiry(t *testing.T) {
	planned := func(action operation.Action) *batch.Batch {
		b := &batch.Batch{Action: action, Planned: bulkNow}
		for _, left := range []time.Duration{5 * web.Day, 30 * web.Day, 200 * web.Day} {
			b.Items = append(b.Items, batch.Item{Organization: "contoso", Before: someToken(fmt.Sprint(left), left, azuredevops.Active).Token})
		}
		return b
	}
	for _, test := range []struct {
		action       operation.Action
		choice, date string
		fault        string
		days         []int // to the new end; none: left out
		longer       int
	}{
		{operation.Update, "", "", "", []int{90, 90}, 1},
		{operation.Update, "30", "", "", []int{30}, 2}, // as long as before is no extension
		{operation.Update, "365", "", "", []int{365, 365, 365}, 0},
		{operation.Update, "date", "2026-12-24", "", []int{32, 32}, 1},
		{operation.Update, "date", "2020-01-01", "form.datePast", nil, 0},
		{operation.Update, "date", "2030-01-01", "form.dateTooFar", nil, 0},
		{operation.Update, "date", "", "form.dateInvalid", nil, 0},
		{operation.Update, "same", "", "form.expiryRequired", nil, 0},
		{operation.Rotate, "", "", "", []int{15, 40, 90}, 0}, // 210 days may be the sum of extensions,
		{operation.Rotate, "7", "", "", []int{7, 7, 7}, 0},
		{operation.Rotate, "same", "2026-12-24", "form.dateNotChosen", nil, 0},
		{operation.Rotate, "7", "2026-12-24", "form.dateNotChosen", nil, 0},
		{operation.Update, "30", "2026-12-24", "form.dateNotChosen", nil, 0},
		{operation.Rotate, "forever", "", "form.expiryRequired", nil, 0},
		{operation.Revoke, "nonsense", "", "", []int{0, 0, 0}, 0},
	} {
		t.Run(fmt.Sprint(test.action, test.choice, test.date), func(t *testing.T) {
			b, e := planned(test.action), bulkExpiryOf(test.action, test.choice, test.date, time.UTC)
			if got := e.fault(test.action, bulkNow); got != test.fault {
				t.Fatalf("fault %q, want %q", got, test.fault)
			}
			if test.fault != "" {
				return
			}
			e.settle(b)
			var days []int
			for _, item := range b.Items {
				if item.ValidTo.IsZero() {
					days = append(days, 0)
					continue
				}
				days = append(days, int(item.ValidTo.Sub(bulkNow)/web.Day))
			}
			if !slices.Equal(days, test.days) || len(b.LeftOut) != test.longer {
				t.Errorf("%v, %d left out; want %v, %d", days, len(b.LeftOut), test.days, test.longer)
			}
		})
	}
}

// hostileNames are what people and tools call tokens.
var hostileNames = []string{
	"build agent 7", "build agent 7", "build-agent_7", "", " ", "جسر التقارير", "\u202eevil\u202c", "line\nEVIL=1\nrest", "carriage\rEVIL=1", "nul\x00", "tab\tx",
	"\u2028EVIL=1", "\u0085EVIL=1", `quote" 'single' $HOME $(id) ` + "`id`", "=cmd", "#comment", "é", "7", "export X", "naïve café", strings.Repeat("very long ", 100), strings.Repeat("x", 1000), "a\u0301bc", "😀",
}

func TestVariableNames(t *testing.T) {
	taken := map[string]bool{}
	valid := regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)
	for i, name := range hostileNames {
		got := variableName("contoso-labs", name, taken)
		if !valid.MatchString(got) || len(got) > maxVariable+3 || strings.Contains(got, "__") {
			t.Errorf("%q becomes %q", name, got)
		}
		if len(taken) != i+1 {
			t.Errorf("%q was taken before", got)
		}
	}
	for name, want := range map[string]string{"Build Agent 7": "AZURE_DEVOPS_PAT_FABRIKAM_BUILD_AGENT_7", "جسر": "AZURE_DEVOPS_PAT_FABRIKAM", "naïve": "AZURE_DEVOPS_PAT_FABRIKAM_NA_VE"} {
		if got := variableName("fabrikam", name, map[string]bool{}); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}

// A file of secrets means the same to a shell and to dotenv libraries, whatever the tokens are called and whatever a
// secret may look like some web.Day; and it sets nothing else.
func TestDotenv(t *testing.T) {
	values := []string{"plain84AZDO", "with space", `quote"d`, "dollar$HOME", "tick`id`", "$(id)", "#hash", "a=b", "é", " ", `"`, "a;b", "a&b>c"}
	var secrets []exportedSecret
	taken := map[string]bool{}
	for i, name := range hostileNames {
		secrets = append(secrets, exportedSecret{Variable: variableName("contoso", name, taken), Name: name, Organization: "contoso", ValidTo: bulkNow, Secret: values[i%len(values)]})
	}
	file := dotenv(secrets)
	for line := range strings.SplitSeq(string(file), "\n") {
		if line != "" && !strings.HasPrefix(line, "# ") && !strings.HasPrefix(line, "AZURE_DEVOPS_PAT_CONTOSO") {
			t.Errorf("a line that belongs to nothing: %q", line)
		}
	}
	read, err := godotenv.Unmarshal(string(file))
	if err != nil {
		t.Fatal(err)
	}
	if len(read) != len(secrets) {
		t.Errorf("%d variables of %d", len(read), len(secrets))
	}
	for _, s := range secrets {
		if got := read[s.Variable]; got != s.Secret {
			t.Errorf("dotenv reads %q instead of %q", got, s.Secret)
		}
		shellReads(t, string(file), s.Variable, s.Secret)
	}
	for _, value := range []string{`back\slash`, "'single'", `trailing\`, `\n`, "two\nlines", `'"$HOME"'\`, ""} {
		shellReads(t, "X="+dotenvValue(value), "X", value)
	}
}

// shellReads has a shell read the file and tell one variable.
func shellReads(t *testing.T, file, name, want string) {
	t.Helper()
	shell := exec.CommandContext(t.Context(), "sh", "-c", file+"\nprintf %s \"$"+name+`"`)
	shell.Env = []string{"HOME=/nowhere"}
	if got, err := shell.CombinedOutput(); err != nil || string(got) != want {
		t.Errorf("a shell reads %q instead of %q: %v", got, want, err)
	}
}

func TestBackFrom(t *testing.T) {
	for view, want := range map[string]string{
		"/tokens?organization=contoso": "/tokens?organization=contoso", "/tokens?q=a+b": "/tokens?q=a+b", "/tokens": "/tokens",
		"": "/tokens", "https://evil.example/": "/tokens", "//evil.example": "/tokens", "/sessions": "/tokens", "/tokens/../sessions": "/tokens", "/sign-out": "/tokens",
	} {
		if got := backFrom(view); got != want {
			t.Errorf("%q leads to %q, want %q", view, got, want)
		}
	}
	if got := readSelection(url.Values{"do": {"revoke"}}, url.Values{"token": {"a/b"}, "all": {"/tokens"}}); got.verb != "revoke" || got.all != "/tokens" || len(got.tokens) != 1 {
		t.Errorf("%+v", got)
	}
}
