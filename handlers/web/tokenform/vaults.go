package tokenform

import (
	"cmp"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/panics"
	"github.com/patdesk/patdesk/internal/vault"
)

const (
	atOnceField = "vault-at-once"

	// vaultAtOnce is how many names a vault is asked about at the same time.
	vaultAtOnce = 6
)

// NewSecret is one of several new secrets that a form puts into one vault.
type NewSecret struct {
	Key          string          // of its field
	ID           string          // of its field on the page; they sort in the order of the page
	Token        string          // whose it is, in words
	Organization string          // likewise
	Suggested    string          // its name in the vault where none is typed
	Held         vault.Reference // the secret that holds the token which is replaced; the zero one: that isn't known
	Replaces     string          // id of the token whose secret may be written to without asking
}

// Distinct gives each suggested name to one secret only: a vault makes no difference between letters of either case.
// Names of secrets that hold their token come first.
func Distinct(secrets []NewSecret) {
	taken := map[string]bool{}
	for _, held := range []bool{true, false} {
		for i := range secrets {
			s := &secrets[i]
			if (s.Held.Name != "") != held {
				continue
			}
			name := cmp.Or(s.Held.Name, s.Suggested)
			base := name
			for n := 2; taken[strings.ToLower(name)]; n++ {
				end := "-" + strconv.Itoa(n)
				name = base[:min(len(base), vault.MaxName-len(end))] + end
			}
			taken[strings.ToLower(name)] = true
			s.Suggested = name
		}
	}
}

// Vaults is what was typed of several secrets, as it was typed.
type Vaults struct {
	Vault
	AtOnce bool
	Names  map[string]string // of secrets, by key

	over  map[string]bool // names, in lower case, under which a new version may be written
	taken map[string]bool // by key: the vault has a secret of that name
}

// ReadVaults takes what was typed from a form.
func ReadVaults(values url.Values) Vaults {
	f := Vaults{Vault: readVault(values), AtOnce: values.Get(atOnceField) != "", Names: map[string]string{}, over: map[string]bool{}}
	for field, typed := range values {
		if key, ok := strings.CutPrefix(field, secretField+":"); ok && len(typed) > 0 {
			f.Names[key] = strings.TrimSpace(typed[0])
		}
	}
	for _, name := range values[overField] {
		f.over[strings.ToLower(name)] = true
	}
	return f
}

// ProposeVaults is the form as it begins: where one vault holds all tokens, into that.
func ProposeVaults(secrets []NewSecret) Vaults {
	f := Vaults{Names: map[string]string{}}
	for i, s := range secrets {
		if f.Names[s.Key] = s.Suggested; i == 0 {
			f.Choice = s.Held.Vault
		}
		if s.Held.Vault != f.Choice {
			f.Choice = ""
		}
	}
	return f
}

// field is the id of a secret's field.
func (s NewSecret) field() string { return secretField + "-" + s.ID }

func (f Vaults) name(s NewSecret) string { return cmp.Or(f.Names[s.Key], s.Suggested) }

// Into are the vault's secrets that were chosen, one for each; nil for none. What is wrong is noted.
func (f Vaults) Into(v *web.Request, secrets []NewSecret, faults Faults) []*operation.Into {
	if f.Choice == "" || web.Vaults(v) == nil {
		return nil
	}
	address := f.vault(v, faults)
	into := make([]*operation.Into, len(secrets))
	named := map[string]bool{}
	for i, s := range secrets {
		name := f.name(s)
		switch {
		case !vault.ValidName(name):
			faults.Add(s.field(), "form.secretNameInvalid")
		case named[strings.ToLower(name)]:
			faults.Add(s.field(), "form.secretNameTwice")
		}
		named[strings.ToLower(name)] = true
		into[i] = &operation.Into{Secret: vault.Reference{Vault: address, Name: name}, Unseen: f.Unseen, DisableOld: f.DisableOld}
	}
	return into
}

// Check is Vault.Check for each.
func (f *Vaults) Check(v *web.Request, secrets []NewSecret, into []*operation.Into, faults Faults) (web.FormState, error) {
	var (
		group panics.Group
		mu    sync.Mutex
	)
	f.taken = map[string]bool{}
	group.SetLimit(vaultAtOnce)
	for i, in := range into {
		group.Go(func() error {
			key, err := faultIn(v, in.Secret, secrets[i].Replaces, f.over[strings.ToLower(in.Secret.Name)])
			mu.Lock()
			defer mu.Unlock()
			f.taken[secrets[i].Key] = key == secretTaken
			faults.Add(secrets[i].field(), key)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return refusedBy(v, err)
	}
	if len(into) > 0 {
		web.RememberVault(v, into[0].Secret.Vault)
	}
	if len(faults) > 0 {
		return web.FormState{Status: http.StatusUnprocessableEntity}, nil
	}
	return web.FormState{}, nil
}

// VaultRow is the name of one of several secrets.
type VaultRow struct {
	ID, Field           string
	Token, Organization string
	Secret, Error       string
	Taken, Over         bool
}

// Part is the part of the page with what was typed; nil where there are no vaults.
func (f Vaults) Part(v *web.Request, secrets []NewSecret, rotates bool, byField map[string]string) *VaultPart {
	p := f.Vault.Part(v, "", rotates, byField)
	if p == nil {
		return nil
	}
	p.MayAtOnce, p.AtOnce, p.Taken, p.Over = rotates, f.AtOnce, false, false
	for _, s := range secrets {
		name := f.Names[s.Key]
		over := f.over[strings.ToLower(f.name(s))]
		row := VaultRow{
			ID: s.field(), Field: secretField + ":" + s.Key, Token: s.Token, Organization: s.Organization, Secret: name,
			Error: byField[s.field()], Taken: f.taken[s.Key] || over, Over: over,
		}
		if row.Taken {
			row.Secret = f.name(s)
		}
		p.Rows = append(p.Rows, row)
	}
	return p
}

// Content is what a form that was sent is bound to, of the vault.
func (f Vaults) Content() string {
	if f.Choice == "" {
		return ""
	}
	q := f.content()
	for key, name := range f.Names {
		q.Set(secretField+":"+key, name)
	}
	return q.Encode()
}

// ContentOf is that for one secret alone.
func (f Vaults) ContentOf(key string) string {
	if f.Choice == "" {
		return ""
	}
	q := f.content()
	q.Set(secretField, f.Names[key])
	return q.Encode()
}

func (f Vaults) content() url.Values {
	return url.Values{
		vaultField: {f.Choice}, addressField: {f.Typed}, unseenField: {strconv.FormatBool(f.Unseen)}, disableOldField: {strconv.FormatBool(f.DisableOld)},
		atOnceField: {strconv.FormatBool(f.AtOnce)},
	}
}

// Fields are those that ask for the same again, of one secret.
func (f Vaults) Fields(key string, in *operation.Into) []web.HiddenField {
	if f.Choice == "" && in == nil {
		return nil
	}
	fields := []web.HiddenField{{Name: vaultField, Value: f.Choice}, {Name: addressField, Value: f.Typed}, {Name: secretField + ":" + key, Value: f.Names[key]}}
	unseen := f.Unseen
	if in != nil {
		unseen = in.Unseen
		fields = []web.HiddenField{{Name: vaultField, Value: in.Secret.Vault}, {Name: secretField + ":" + key, Value: in.Secret.Name}}
	}
	if unseen {
		fields = append(fields, web.HiddenField{Name: unseenField, Value: "yes"})
	}
	return fields
}
