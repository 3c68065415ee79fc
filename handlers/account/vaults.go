package account

import (
	"net/http"
	"slices"
	"strings"

	"github.com/patdesk/patdesk/handlers/web"
)

// vaultsPage has the vaults that patdesk reads for the person.
type vaultsPage struct {
	web.Base
	Vaults       []vaultRow
	Reading      bool   // what they hold isn't known yet
	AgreeURL     string // "": the person has agreed, or isn't known not to have
	MayAdd       bool
	Typed        string
	TypedError   string
	AddAction    string
	RemoveAction string
	ListURL      string // of tokens that are in no vault
}

// vaultRow is one of them.
type vaultRow struct {
	Name, Address string
	Holds         string // how much is in it; "" if that isn't known
	Problem       string // what keeps it from being read, or from being read to the end
	Added         bool   // by the person
}

// ShowVaults shows which vaults are read, and what is in them for tokens.
func (h *Handlers) ShowVaults(v *web.Request) (web.Answer, error) { return vaultsAnswer(v, "", 0) }

// AddVault has one more vault read, which the operator allows. It is read when its page is shown.
func (h *Handlers) AddVault(v *web.Request) (web.Answer, error) {
	if web.Vaults(v) == nil {
		return nil, &web.HTTPError{Status: http.StatusNotFound}
	}
	address, fault := web.VaultAddress(v, v.PostForm.Get("vault"))
	added := web.AddedVaults(v)
	switch {
	case fault != "":
		return vaultsAnswer(v, fault, http.StatusUnprocessableEntity)
	case slices.Contains(web.Vaults(v).Vaults(), address), slices.Contains(added, address):
	case len(added) == web.MaxAddedVaults:
		return vaultsAnswer(v, "form.vaultsMany", http.StatusUnprocessableEntity)
	default:
		web.KeepAddedVaults(v, append(added, address))
	}
	return v.To(web.VaultsPath), nil
}

// RemoveVault has an added vault read no more. Nothing is changed in it.
func (h *Handlers) RemoveVault(v *web.Request) (web.Answer, error) {
	if web.Vaults(v) == nil {
		return nil, &web.HTTPError{Status: http.StatusNotFound}
	}
	web.KeepAddedVaults(v, slices.DeleteFunc(web.AddedVaults(v), func(one string) bool { return one == v.PostForm.Get("vault") }))
	return v.To(web.VaultsPath), nil
}

func vaultsAnswer(v *web.Request, fault string, status int) (web.Answer, error) {
	if web.Vaults(v) == nil {
		return nil, &web.HTTPError{Status: http.StatusNotFound}
	}
	p := vaultsPage{
		Base: v.Base(v.Words.Text("vaults.title"), ""), MayAdd: web.Vaults(v).MayAdd(), AddAction: v.Link(web.VaultsPath),
		RemoveAction: v.Link(web.VaultsPath + "/remove"), ListURL: v.Link(web.TokensPath + "?is=unstored"),
	}
	if fault != "" {
		p.Failed, p.Typed, p.TypedError = true, v.PostForm.Get("vault"), v.Words.Message(fault, map[string]any{"Max": web.MaxAddedVaults}).What
	}
	kept := web.InVaults(v)
	if kept == nil {
		return web.Page{Status: status, Template: "vaults", Data: p}, nil
	}
	p.Reading = kept.Taken.IsZero()
	if !kept.Agreed() {
		p.AgreeURL = web.AgreeURL(v)
	}
	named := web.Vaults(v).Vaults()
	for _, address := range kept.Vaults {
		row := vaultRow{Name: strings.TrimPrefix(address, "https://"), Address: address, Added: !slices.Contains(named, address)}
		switch err := kept.Failed[address]; {
		case p.Reading, err != nil && p.AgreeURL != "":
		case err != nil:
			t := v.Describe(err)
			row.Problem = v.Words.Sentences(t.Text.What, t.Text.Advice)
		default:
			row.Holds = v.Words.Text("vaults.holds", "Count", kept.Tagged(address))
		}
		p.Vaults = append(p.Vaults, row)
	}
	return web.Page{Status: status, Template: "vaults", Data: p}, nil
}
