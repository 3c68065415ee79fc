package vault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/vault"
)

var ci = vault.Reference{Vault: simulator.TeamVault, Name: "ci-nuget"}

// world is a Caller for Mona, and the simulator that it talks to.
type world struct {
	t   *testing.T
	sim *simulator.Simulator
	*vault.Caller
	client *vault.Client

	mu       sync.Mutex
	outcomes []string
}

func newWorld(t *testing.T, o simulator.Options) *world {
	t.Helper()
	sim := simulator.New(o)
	if err := sim.StartTLS(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	w := &world{t: t, sim: sim}
	w.client = vault.New(vault.Options{
		Vaults: []string{simulator.TeamVault, simulator.PlatformVault}, Allow: []string{"*.vault.azure.net"}, HTTPClient: sim.Client(), FirstDelay: time.Millisecond,
		Watch: func(_ context.Context, operation string, _ http.Header) func(int, string) {
			return func(status int, outcome string) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.outcomes = append(w.outcomes, fmt.Sprint(operation, " ", status, " ", outcome))
			}
		},
	})
	token := sim.VaultToken(simulator.Mona)
	w.Caller = w.client.As(func(context.Context) (string, error) { return token, nil })
	return w
}

func wantKind(t *testing.T, err error, kind vault.Kind) *vault.Error {
	t.Helper()
	var e *vault.Error
	if !errors.As(err, &e) || e.Kind != kind {
		t.Fatalf("got %v, want %s", err, kind)
	}
	return e
}

// A version is written, found again by its tags, tagged anew and disabled; no value is ever read.
func TestLifeOfASecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	ends := time.Now().Add(30 * 24 * time.Hour)
	written, err := w.Write(t.Context(), ci, "canary-1", vault.Properties{
		Tags: map[string]string{vault.TagAuthorizationID: "id-1"}, ContentType: "text/plain", Expires: ends,
	})
	if err != nil {
		t.Fatal(err)
	}
	if written.Reference != ci || written.Version == "" || !written.Enabled || written.Tags[vault.TagAuthorizationID] != "id-1" ||
		!written.Expires.Equal(ends.Truncate(time.Second)) || written.ContentType != "text/plain" || written.Created.IsZero() {
		t.Errorf("got %+v", written)
	}
	if got := w.sim.VaultSecrets(ci.Vault, ci.Name); len(got) != 1 || got[0].Value != "canary-1" {
		t.Fatalf("%d versions", len(got))
	}
	second, err := w.Write(t.Context(), ci, "canary-2", vault.Properties{})
	if err != nil || second.Version == written.Version || !second.Expires.IsZero() {
		t.Fatalf("got %+v, %v", second, err)
	}
	if err := w.Disable(t.Context(), ci, written.Version); err != nil {
		t.Error(err)
	}
	if err := w.Tag(t.Context(), ci, second.Version, map[string]string{vault.TagAuthorizationID: "id-2"}); err != nil {
		t.Error(err)
	}
	versions, err := w.Versions(t.Context(), ci)
	if err != nil || len(versions) != 2 {
		t.Fatalf("%d versions, %v", len(versions), err)
	}
	for _, v := range versions {
		old := v.Version == written.Version
		if v.Enabled == old || v.Tags[vault.TagAuthorizationID] != map[bool]string{true: "id-1", false: "id-2"}[old] {
			t.Errorf("got %+v", v)
		}
	}
	listed, err := w.List(t.Context(), ci.Vault)
	if err != nil || len(listed) != 1 || listed[0].Tags[vault.TagAuthorizationID] != "id-2" || listed[0].String() != "team-vault/ci-nuget" {
		t.Errorf("got %+v, %v", listed, err)
	}
	if w.sim.Calls(simulator.CallVaultGet) != 0 {
		t.Error("a value was read")
	}
	if text := fmt.Sprintf("%+v %+v", listed, versions); strings.Contains(text, "canary") {
		t.Errorf("it holds a value: %s", text)
	}
	// The vault's challenge is asked for once, not with every call.
	w.mu.Lock()
	defer w.mu.Unlock()
	if want := []string{"write 401 ok", "write 200 ok", "write 200 ok", "update 200 ok", "update 200 ok", "versions 200 ok", "list 200 ok"}; !slices.Equal(w.outcomes, want) {
		t.Errorf("exchanges: %q", w.outcomes)
	}
}

// A challenge that somebody on the way gave in the vault's place is forgotten.
func TestForeignChallengePasses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	w.sim.SetFault("vaultForeignChallenge", simulator.FaultOptions{})
	_, err := w.List(t.Context(), ci.Vault)
	_ = wantKind(t, err, vault.KindNotUnderstood)
	w.sim.ClearFaults()
	for range 2 {
		if _, err := w.List(t.Context(), ci.Vault); err != nil {
			t.Fatal(err)
		}
	}
}

// Lists are read to the end, page by page, and not without end.
func TestPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	for i := range 61 {
		w.sim.AddVaultSecret(simulator.VaultSecret{Vault: ci.Vault, Name: fmt.Sprintf("secret-%02d", i)})
		w.sim.AddVaultSecret(simulator.VaultSecret{Vault: ci.Vault, Name: "secret-00"})
	}
	listed, err := w.List(t.Context(), ci.Vault)
	versions, failed := w.Versions(t.Context(), vault.Reference{Vault: ci.Vault, Name: "secret-00"})
	if err != nil || failed != nil || len(listed) != 61 || len(versions) != 62 || w.sim.Calls(simulator.CallVaultList) != 4 {
		t.Errorf("%d secrets in %d calls, %d versions, %v, %v", len(listed), w.sim.Calls(simulator.CallVaultList), len(versions), err, failed)
	}
	w.sim.SetFault("vaultEndlessList", simulator.FaultOptions{})
	listed, err = w.List(t.Context(), ci.Vault)
	_ = wantKind(t, err, vault.KindTooMany)
	if len(listed) != vault.MaxSecrets {
		t.Errorf("%d secrets", len(listed))
	}
}

// Every refusal has its kind, and is the vault's and the secret's.
func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{Vaults: []simulator.Vault{
		{Name: "team-vault", Officers: []string{simulator.Mona}},
		{Name: "platform-vault", Officers: []string{simulator.Jonas}},
		{Name: "other-vault", TenantID: simulator.OtherTenantID},
	}})
	w.sim.AddVaultSecret(simulator.VaultSecret{Vault: ci.Vault, Name: "gone"})
	w.sim.DeleteVaultSecret(ci.Vault, "gone")
	w.sim.AddVaultSecret(simulator.VaultSecret{Vault: ci.Vault, Name: "of-a-certificate", Managed: true})
	for _, c := range []struct {
		fault, vault, name string
		kind               vault.Kind
		code               string
	}{
		{"", "https://platform-vault.vault.azure.net", "ci", vault.KindForbiddenByRole, "ForbiddenByRbac"},
		{"", "https://other-vault.vault.azure.net", "ci", vault.KindOtherTenant, "AKV10032"},
		{"", "https://nowhere.vault.azure.net", "ci", vault.KindNoVault, ""},
		{"", ci.Vault, "gone", vault.KindDeletedName, "ObjectIsDeletedButRecoverable"},
		{"", ci.Vault, "of-a-certificate", vault.KindManaged, "SecretManagedByKeyVault"},
		{"", ci.Vault, "no_such_name", vault.KindBadName, ""},
		{"", "https://team-vault.vault.azure.cn", "ci", vault.KindNotAllowed, ""},
		{"vaultForbiddenByPolicy", ci.Vault, "ci", vault.KindForbiddenByPolicy, "ForbiddenByPolicy"},
		{"vaultForbiddenByFirewall", ci.Vault, "ci", vault.KindForbiddenByFirewall, "ForbiddenByFirewall"},
		{"vaultForbiddenByConnection", ci.Vault, "ci", vault.KindForbiddenByFirewall, "ForbiddenByConnection"},
		{"vaultDisabled", ci.Vault, "ci", vault.KindDisabled, "SecretDisabled"},
		{"vaultOtherTenant", ci.Vault, "ci", vault.KindOtherTenant, "AKV10032"},
		{"vaultThrottled", ci.Vault, "ci", vault.KindThrottled, "Throttled"},
		{"vaultUnavailable", ci.Vault, "ci", vault.KindUnavailable, "ServiceUnavailable"},
		{"vaultHTML", ci.Vault, "ci", vault.KindNotUnderstood, ""},
		{"vaultReset", ci.Vault, "ci", vault.KindConnection, ""},
		{"vaultForeignChallenge", ci.Vault, "ci", vault.KindNotUnderstood, ""},
	} {
		w.sim.ClearFaults()
		if c.fault != "" {
			w.sim.SetFault(c.fault, simulator.FaultOptions{})
		}
		if c.fault == "vaultForeignChallenge" { // of a vault that isn't known yet
			w.Caller = vault.New(vault.Options{Vaults: []string{c.vault}, HTTPClient: w.sim.Client(), FirstDelay: time.Millisecond}).As(func(context.Context) (string, error) {
				t.Error("a token was asked for")
				return "canary", nil
			})
		}
		r := vault.Reference{Vault: c.vault, Name: c.name}
		_, err := w.Write(t.Context(), r, "canary", vault.Properties{})
		e := wantKind(t, err, c.kind)
		if e.Code != c.code || e.Vault != c.vault || c.kind != vault.KindBadName && e.Name != c.name || strings.Contains(fmt.Sprintf("%+v %s", e, e.LogValue()), "canary") {
			t.Errorf("%s: %+v", c.kind, e)
		}
		if c.kind == vault.KindThrottled && e.RetryAfter != 30*time.Second {
			t.Errorf("try again after %s", e.RetryAfter)
		}
		if unknown := slices.Contains([]vault.Kind{vault.KindUnavailable, vault.KindConnection}, c.kind) || c.fault == "vaultHTML"; e.Unknown != unknown {
			t.Errorf("%s %s: unknown %t", c.fault, c.kind, e.Unknown)
		}
		if c.fault != "" && len(w.sim.VaultSecrets(ci.Vault, "ci")) != 0 {
			t.Errorf("%s: it was written", c.fault)
		}
	}
	w.sim.ClearFaults()
}

// A write that may have been done is called unknown, and isn't sent again.
func TestWriteOfUnknownOutcome(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	for i, fault := range []string{"vaultResetAfterDoing", "vaultUnavailableAfterDoing", "vaultHangAfterDoing"} {
		w.sim.ClearFaults()
		w.sim.SetFault(fault, simulator.FaultOptions{})
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		_, err := w.Write(ctx, ci, "canary", vault.Properties{})
		cancel()
		var e *vault.Error
		if !errors.As(err, &e) || !e.Unknown {
			t.Errorf("%s: %v", fault, err)
		}
		if n := len(w.sim.VaultSecrets(ci.Vault, ci.Name)); n != i+1 {
			t.Errorf("%s: %d versions", fault, n)
		}
	}
}

// Reading, tagging and disabling is tried again.
func TestTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	v := w.sim.AddVaultSecret(simulator.VaultSecret{Vault: ci.Vault, Name: ci.Name})
	for _, do := range []func() error{
		func() error { _, err := w.List(t.Context(), ci.Vault); return err },
		func() error { _, err := w.Versions(t.Context(), ci); return err },
		func() error { return w.Disable(t.Context(), ci, v.Version) },
		func() error { return w.Tag(t.Context(), ci, v.Version, nil) },
	} {
		w.sim.SetFault("vaultUnavailable", simulator.FaultOptions{Times: 1})
		w.sim.SetFault("vaultReset", simulator.FaultOptions{Times: 1})
		if err := do(); err != nil {
			t.Error(err)
		}
		w.sim.ClearFaults()
	}
}

// Claims that the vault asks for come out as they are; no bearer, no call; and its errors stay what they are.
func TestBearers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	w.sim.SetFault("vaultClaimsChallenge", simulator.FaultOptions{})
	_, err := w.Write(t.Context(), ci, "canary", vault.Properties{})
	e := wantKind(t, err, vault.KindSignIn)
	if !json.Valid([]byte(e.Claims)) || e.Unknown {
		t.Errorf("claims %q, unknown %t", e.Claims, e.Unknown)
	}
	w.sim.ClearFaults()
	own := errors.New("no token")
	_, err = w.client.As(func(context.Context) (string, error) { return "", own }).List(t.Context(), ci.Vault)
	if !errors.Is(err, own) {
		t.Errorf("got %v", err)
	}
	_, err = w.client.As(func(context.Context) (string, error) { return "", &vault.Error{Kind: vault.KindConsent} }).List(t.Context(), ci.Vault)
	if e := wantKind(t, err, vault.KindConsent); e.Vault != ci.Vault {
		t.Errorf("got %+v", e)
	}
	// One person's bearer is never used for another.
	jonas := w.sim.VaultToken(simulator.Jonas)
	if _, err := w.client.As(func(context.Context) (string, error) { return jonas, nil }).List(t.Context(), ci.Vault); err != nil {
		t.Error(err)
	}
	requests := w.sim.Requests()
	if got := requests[len(requests)-1].Header.Get("Authorization"); got != "Bearer "+jonas {
		t.Error("another bearer was sent")
	}
	_, err = w.client.As(func(context.Context) (string, error) { return "of another resource", nil }).List(t.Context(), ci.Vault)
	_ = wantKind(t, err, vault.KindRefused)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = w.List(ctx, ci.Vault)
	_ = wantKind(t, err, vault.KindCanceled)
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	c := vault.New(vault.Options{Vaults: []string{"https://team.vault.azure.net"}, Allow: []string{"ci-*.vault.azure.net"}})
	for typed, want := range map[string]string{
		"team": "https://team.vault.azure.net", " HTTPS://Team.vault.azure.net/ ": "https://team.vault.azure.net",
		"https://team.vault.azure.net:443/secrets/a/b": "https://team.vault.azure.net", "ci-1": "https://ci-1.vault.azure.net",
		"": "badVault", "https://evil.example": "badVault", "team.vault.azure.net.evil.example": "badVault", "a.b.vault.azure.net": "badVault",
		"te": "badVault", "1team": "badVault", "team--a": "badVault", "team-": "badVault", strings.Repeat("a", 25): "badVault", "team.vault.azure.cn": "badVault",
		"other": "notAllowed", "https://user@team.vault.azure.net": "badVault",
	} {
		got, err := c.Address(typed)
		var e *vault.Error
		if errors.As(err, &e) {
			got = string(e.Kind)
		}
		if got != want {
			t.Errorf("%q: %s, want %s", typed, got, want)
		}
		if err == nil {
			if u, err := url.Parse(got); err != nil || u.Scheme != "https" {
				t.Errorf("%q isn't an address", got)
			}
		}
	}
}

// What isn't a vault's address, and nothing more, is called by nobody, though a pattern's * would stand for it.
func TestAddressesThatAreNotCalled(t *testing.T) {
	t.Parallel()
	as := vault.New(vault.Options{Allow: []string{"*.vault.azure.net"}}).As(func(context.Context) (string, error) {
		t.Error("a bearer was asked for")
		return "", nil
	})
	for _, address := range []string{
		"", "team", "http://team.vault.azure.net", "https://team.vault.azure.net/", "https://team.vault.azure.net:443", "https://TEAM.vault.azure.net",
		"https://team.vault.azure.net.", "https://user@team.vault.azure.net", "https://127.0.0.1#.vault.azure.net", "https://evil.example?.vault.azure.net",
		"https://evil.example\\.vault.azure.net", "https://[::1]#a.vault.azure.net", "https://a.b.vault.azure.net", "https://tëam.vault.azure.net",
		"https://xn--tam-jma.vault.azure.net", "https:// .vault.azure.net", "https://a\nb.vault.azure.net", "//team.vault.azure.net",
	} {
		_, err := as.List(t.Context(), address)
		_ = wantKind(t, err, vault.KindNotAllowed)
		_, err = as.Write(t.Context(), vault.Reference{Vault: address, Name: "ci"}, "canary", vault.Properties{})
		_ = wantKind(t, err, vault.KindNotAllowed)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]string{
		"ci: NuGet feed": "ci-NuGet-feed", "Größenänderung – Übersicht": "Gr-en-nderung-bersicht", "データ": "azure-devops-token", "": "azure-devops-token",
		"--x--": "x", strings.Repeat("ab ", 60): strings.TrimRight(strings.Repeat("ab-", 60)[:127], "-"),
	} {
		if got := vault.SuggestName(token, "azure-devops-token"); got != want || !vault.ValidName(got) {
			t.Errorf("%q: %q, want %q", token, got, want)
		}
	}
	for _, bad := range []string{"", "a b", "a_b", "ä", "a/b", strings.Repeat("a", 128)} {
		if vault.ValidName(bad) {
			t.Errorf("%q is taken", bad)
		}
	}
	many := map[string]string{}
	for i := range 16 {
		many[fmt.Sprint(i)] = "x"
	}
	caller := vault.New(vault.Options{Vaults: []string{ci.Vault}}).As(nil)
	for _, p := range []vault.Properties{{Tags: many}, {Tags: map[string]string{"a": strings.Repeat("ä", 257)}}, {Tags: map[string]string{strings.Repeat("a", 257): ""}}, {ContentType: strings.Repeat("a", 256)}} {
		if _, err := caller.Write(t.Context(), ci, "canary", p); err == nil {
			t.Error("taken")
		}
	}
}

// What vaults hold is read once in a while, with older versions of what names a token; a vault that fails is named, and
// nobody waits longer than they will.
func TestReadings(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	tags := map[string]string{vault.TagAuthorizationID: "id-1"}
	for i, name := range []string{"ci", "ci", "smtp"} {
		w.sim.AddVaultSecret(simulator.VaultSecret{Vault: ci.Vault, Name: name, Tags: tags, Created: time.Now().Add(time.Duration(i) * time.Hour)})
	}
	w.sim.AddVaultSecret(simulator.VaultSecret{Vault: ci.Vault, Name: "untagged"})
	var mu sync.Mutex
	now := time.Now()
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	client := vault.New(vault.Options{Vaults: []string{simulator.TeamVault, simulator.PlatformVault}, HTTPClient: w.sim.Client(), Now: clock, FirstDelay: time.Millisecond})
	token := w.sim.VaultToken(simulator.Jonas) // who may not read the other vault
	as := client.As(func(context.Context) (string, error) { return token, nil })
	readings := vault.NewReadings(client, slog.New(slog.DiscardHandler))
	var never <-chan time.Time
	got := readings.Of(t.Context(), "one", client.Vaults(), as, never)
	if len(got.Secrets) != 3 || len(got.Older) != 1 || got.Whole() || len(got.Failed) != 1 || got.Failed[simulator.PlatformVault] == nil {
		t.Errorf("got %+v", got)
	}
	lists := w.sim.Calls(simulator.CallVaultList)
	if again := readings.Of(t.Context(), "one", client.Vaults(), as, never); again.Taken != got.Taken || w.sim.Calls(simulator.CallVaultList) != lists {
		t.Error("read again at once")
	}
	readings.Forget("one")
	_ = readings.Of(t.Context(), "one", client.Vaults(), as, never)
	if w.sim.Calls(simulator.CallVaultList) == lists {
		t.Error("not read again after a change")
	}
	// Another session, and a vault that hangs: its person goes on without.
	held := w.sim.Hold(simulator.CallVaultList, "", false)
	defer held.Release()
	enough := make(chan time.Time)
	close(enough)
	if got := readings.Of(t.Context(), "two", client.Vaults(), as, enough); !got.Taken.IsZero() || got.Whole() {
		t.Errorf("got %+v", got)
	}
}
