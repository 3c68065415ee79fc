package azuredevops_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/azuredevops"
)

func TestScopeTable(t *testing.T) {
	seen := map[string]bool{}
	offered := 0
	for _, s := range azuredevops.Scopes() {
		if seen[s.ID] || s.ID == "" || s.Group.Term() == "" || s.Level.Term() == "" && s.ID != azuredevops.FullAccess || !s.Known {
			t.Errorf("twice or with an empty field: %+v", s)
		}
		seen[s.ID] = true
		if got := azuredevops.LookupScope(s.ID); got != s {
			t.Errorf("LookupScope(%q) is %+v", s.ID, got)
		}
		if s.Implies != "" && !azuredevops.LookupScope(s.Implies).Known {
			t.Errorf("%s implies unknown %s", s.ID, s.Implies)
		}
		if slices.Contains(azuredevops.Implied(s.ID), s.ID) {
			t.Errorf("%s implies itself", s.ID)
		}
		if s.Offered {
			offered++
		}
	}
	if len(seen) != 104 || offered != 82 {
		t.Errorf("%d scopes, %d offered; want 104 and 82", len(seen), offered)
	}
	for _, never := range []string{"vso.pats", "vso.pats_manage", "user_impersonation"} {
		if seen[never] {
			t.Errorf("%s is a permission of the app, not of a token", never)
		}
	}
}

func TestLookupScope(t *testing.T) {
	for id, want := range map[string]azuredevops.Scope{
		"vso.code_write":          {ID: "vso.code_write", Group: "code", Level: "read-write", Implies: "vso.code", High: true, Offered: true, Known: true},
		"vso.work_full":           {ID: "vso.work_full", Group: "work-items", Level: "read-write-manage", Implies: "vso.work_write", Offered: true, Known: true},
		"vso.hooks_write":         {ID: "vso.hooks_write", Group: "service-hooks", Level: "read-write", Implies: "vso.hooks", Known: true},
		"vso.machinegroup_manage": {ID: "vso.machinegroup_manage", Group: "deployment-groups", Level: "read-manage", Implies: "vso.agentpools_manage", High: true, Offered: true, Known: true},
		"vso.newest_thing":        {ID: "vso.newest_thing"},
		"":                        {},
	} {
		if got := azuredevops.LookupScope(id); got != want {
			t.Errorf("LookupScope(%q) is %+v, want %+v", id, got, want)
		}
	}
}

func TestImplied(t *testing.T) {
	for id, want := range map[string]string{
		"vso.code_full":     "[vso.code_manage vso.code_write vso.code vso.hooks_write vso.hooks vso.profile]",
		"vso.build":         "[vso.hooks_write vso.hooks vso.profile]",
		"vso.code_status":   "[]",
		"vso.profile_write": "[vso.profile]",
		"app_token":         "[]",
		"unheard-of":        "[]",
	} {
		if got := fmt.Sprint(azuredevops.Implied(id)); got != want {
			t.Errorf("Implied(%q) is %s, want %s", id, got, want)
		}
	}
}

func TestGroups(t *testing.T) {
	groups := azuredevops.Groups()
	var names []string
	ids := map[azuredevops.GroupID]bool{}
	n := 0
	for _, g := range groups {
		names = append(names, g.ID.Term())
		if ids[g.ID] || strings.Trim(string(g.ID), "abcdefghijklmnopqrstuvwxyz-") != "" || g.ID == "" {
			t.Errorf("id %q", g.ID)
		}
		ids[g.ID] = true
		for i, s := range g.Scopes {
			n++
			if !s.Offered || s.Group != g.ID || s.ID == azuredevops.FullAccess {
				t.Errorf("%s is in %s", s.ID, g.ID)
			}
			for _, higher := range g.Scopes[i+1:] {
				if slices.Contains(azuredevops.Implied(s.ID), higher.ID) {
					t.Errorf("%s comes before %s, which it implies", s.ID, higher.ID)
				}
			}
		}
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) || n != 81 {
		t.Errorf("%d scopes in %v", n, names)
	}
	var code []string
	for _, s := range groups[slices.Index(names, "Code")].Scopes {
		code = append(code, s.Level.Term())
	}
	if got := strings.Join(code, "; "); got != "Read; Read & write; Read, write, & manage; Full; Status" {
		t.Errorf("levels of Code: %s", got)
	}
}

// A preset holds offered scopes, none of which another one of its own brings along.
func TestPresets(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range azuredevops.Presets() {
		if seen[p.ID] || p.ID == "" || len(p.Scopes) == 0 {
			t.Errorf("twice or with an empty field: %+v", p)
		}
		seen[p.ID] = true
		for _, id := range p.Scopes {
			if !azuredevops.LookupScope(id).Offered || id == azuredevops.FullAccess {
				t.Errorf("%s: %s is not offered", p.ID, id)
			}
			for _, implied := range azuredevops.Implied(id) {
				if slices.Contains(p.Scopes, implied) {
					t.Errorf("%s: %s is in %s already", p.ID, implied, id)
				}
			}
		}
	}
}

func TestMadeBy(t *testing.T) {
	for name, want := range map[string]string{
		"git: https://dev.azure.com/fabrikam on LAPTOP-1":                              "Git Credential Manager",
		"Git: https://fabrikam.visualstudio.com/ on build 7":                           "Git Credential Manager",
		"Git: https://dev.azure.com/fabrikam on the website.":                          "Azure Repos, Generate Git Credentials",
		"Azure DevOps Artifacts Credential Provider":                                   "Azure Artifacts Credential Provider",
		"VSTS IntelliJ Plugin: mona@contoso.example from: PC on: Sun Nov 22 12:00 UTC": "Azure DevOps plugin for IntelliJ",
		"TF from: pc on: 2026-11-22T12:00:00":                                          "Team Explorer Everywhere",
		"Service Hooks :: Azure App Service :: Deploy web app":                         "Service hooks",
		"Service Hooks: Azure App Service: Deploy web app":                             "Service hooks",
		"WebAppLoadTestCDIntToken":                                                     "Web load testing",
		"Microsoft Teams Integration":                                                  "Microsoft Teams",
		" 4ab5b3d4-8a0a-4b0f-9c5d-2f6f1c3b9a01 ":                                       "an unknown tool",
		"git":                                                                          "",
		"git: my laptop":                                                               "",
		"deploy to production":                                                         "",
		"4ab5b3d4-8a0a-4b0f-9c5d":                                                      "",
		"for Microsoft Teams":                                                          "",
		"":                                                                             "",
	} {
		if got := azuredevops.MadeBy(name).Term(); got != want {
			t.Errorf("MadeBy(%q) is %q, want %q", name, got, want)
		}
	}
}
