package web

import (
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/patdesk/patdesk/internal/audit"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/internal/vault"
)

// vaultWait is how long a page waits for what the vaults hold. They go on being read meanwhile.
const vaultWait = 1500 * time.Millisecond

// Kept is what the vaults that the operator has named, or their person has added, hold for tokens, as far as the person
// may see it. A nil one is none.
type Kept struct {
	vault.Reading
	Vaults  []string            // addresses
	byToken map[string][]keptIn // by authorization id
}

// keptIn is a version that says that it holds a token.
type keptIn struct {
	vault.Secret
	older bool // there is a newer version of the secret
}

// InVaults is what the vaults hold; nil where there are none to be read.
func InVaults(v *Request) *Kept {
	vaults := vaultsToRead(v)
	if len(vaults) == 0 {
		return nil
	}
	k := &Kept{
		Reading: v.site.readings.Of(v.Context(), v.Session.Hash(), vaults, asVaults(v), time.After(vaultWait)), Vaults: vaults,
		byToken: map[string][]keptIn{},
	}
	for _, s := range k.Secrets {
		k.add(s, false)
	}
	for _, s := range k.Older {
		k.add(s, true)
	}
	return k
}

func (k *Kept) add(s vault.Secret, older bool) {
	if id := strings.ToLower(s.Tags[vault.TagAuthorizationID]); id != "" {
		k.byToken[id] = append(k.byToken[id], keptIn{s, older})
	}
}

// ForgetVaults has the vaults read anew, since something was changed there.
func ForgetVaults(v *Request) {
	if v.site.readings != nil {
		v.site.readings.Forget(v.Session.Hash())
	}
}

// Agreed reports whether the person has let patdesk look into the vaults, as far as that is known.
func (k *Kept) Agreed() bool {
	for _, err := range k.Failed {
		if !agreed(err) {
			return false
		}
	}
	return true
}

// Tagged is how many secrets of a vault name a token.
func (k *Kept) Tagged(vault string) (n int) {
	for _, held := range k.byToken {
		for _, in := range held {
			if in.Vault == vault && !in.older {
				n++
			}
		}
	}
	return n
}

// Holds reports whether a secret says that it holds the token.
func (k *Kept) Holds(t inventory.Token) bool {
	return k != nil && len(k.byToken[t.AuthorizationID]) > 0
}

// Holder is a secret whose newest version says that it holds the token; ok is false if there is none.
func (k *Kept) Holder(t inventory.Token) (r vault.Reference, ok bool) {
	if k == nil {
		return vault.Reference{}, false
	}
	for _, in := range k.byToken[t.AuthorizationID] {
		if !in.older && !in.Managed {
			return in.Reference, true
		}
	}
	return vault.Reference{}, false
}

// VaultPlace is where a token's secret is, in words.
type VaultPlace struct {
	Text  string   // "In team-vault/ci-nuget"
	Marks []string // what doesn't fit
}

// Places are the secrets that say that they hold the token, newest versions first. An older version counts only while
// it can be read.
func (k *Kept) Places(v *Request, t inventory.Token) []VaultPlace {
	if k == nil {
		return nil
	}
	var out []VaultPlace
	for _, in := range k.byToken[t.AuthorizationID] {
		switch {
		case in.older && in.Enabled:
			out = append(out, VaultPlace{v.Words.Text("inVault.in", "Secret", in.String()), []string{v.Words.Text("inVault.older")}})
		case !in.older:
			out = append(out, VaultPlace{v.Words.Text("inVault.in", "Secret", in.String()), k.marks(v, in.Secret, t)})
		}
	}
	return out
}

// marks are what doesn't fit between the newest version of a secret and the token that it says it holds.
func (k *Kept) marks(v *Request, s vault.Secret, t inventory.Token) []string {
	var out []string
	if t.Status == azuredevops.Revoked {
		out = append(out, v.Words.Text("inVault.revoked"))
	}
	switch ends := t.ValidTo.Truncate(time.Second); {
	case t.ValidTo.IsZero():
	case s.Expires.IsZero():
		out = append(out, v.Words.Text("inVault.noExpiry"))
	case s.Expires.Sub(ends).Abs() > time.Second: // vaults keep whole seconds
		out = append(out, v.Words.Text("inVault.expiryDiffers", "Date", v.When(s.Expires).Date))
	}
	if !s.Enabled {
		out = append(out, v.Words.Text("inVault.disabled"))
	}
	if slices.ContainsFunc(k.Older, func(o vault.Secret) bool { return o.Reference == s.Reference && o.Enabled }) {
		out = append(out, v.Words.Text("inVault.olderEnabled"))
	}
	return out
}

// Orphans are secrets whose newest version names a token that is none of those, as "team-vault/ci-nuget".
func (k *Kept) Orphans(tokens []inventory.Token) []string {
	known := map[string]bool{}
	for _, t := range tokens {
		known[t.AuthorizationID] = true
	}
	var out []string
	for _, s := range k.Secrets {
		if id := strings.ToLower(s.Tags[vault.TagAuthorizationID]); id != "" && !known[id] {
			out = append(out, s.String())
		}
	}
	slices.Sort(out)
	return out
}

// VaultNote says what keeps the vaults from being shown whole, with the way on; nil for nothing.
type VaultNote struct{ Text, LinkText, URL string }

// Note is why what is shown of the vaults isn't all there is.
func (k *Kept) Note(v *Request) *VaultNote {
	switch {
	case k == nil || k.Whole():
		return nil
	case k.Taken.IsZero():
		return &VaultNote{Text: v.Words.Text("inVault.reading")}
	case !k.Agreed():
		return &VaultNote{v.Words.Text("inVault.notAgreed"), v.Words.Text("inVault.agree"), AgreeURL(v)}
	}
	var parts []string
	for _, address := range k.Vaults {
		if err := k.Failed[address]; err != nil {
			t := v.Describe(err)
			parts = append(parts, v.Words.Sentences(v.Words.Text("sentence.heading", "Heading", t.Text.Title), t.Text.Advice)) // the heading names the vault
		}
	}
	return &VaultNote{Text: v.Words.Sentences(parts...)}
}

// AgreeURL is where the person agrees that patdesk looks into vaults, and from where they come back to this page.
func AgreeURL(v *Request) string {
	return v.Link(AgreePath + "?" + url.Values{"return": {v.Here()}}.Encode())
}

// ErrTagged says that a secret names another token already.
var ErrTagged = errors.New("the secret names another token")

// TagSecret adds tags to the newest version of a secret, unless it names another token by now.
func TagSecret(v *Request, r vault.Reference, tags map[string]string) error {
	as := asVaults(v)
	if as == nil {
		return &HTTPError{Status: http.StatusNotFound}
	}
	versions, err := as.Versions(v.Context(), r)
	if err != nil {
		return err
	}
	newest := vault.Newest(versions)
	if held := newest.Tags[vault.TagAuthorizationID]; held != "" && !strings.EqualFold(held, tags[vault.TagAuthorizationID]) {
		return ErrTagged
	}
	all := maps.Clone(newest.Tags)
	maps.Copy(all, tags)
	if err := as.Tag(v.Context(), r, newest.Version, all); err != nil {
		return err
	}
	ForgetVaults(v)
	audit.Record(v.Context(), v.site.Log, "tag-secret", slog.String("secret", r.String()), slog.String("authorization_id", tags[vault.TagAuthorizationID]))
	return nil
}
