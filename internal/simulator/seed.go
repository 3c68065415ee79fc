package simulator

import (
	"fmt"
	"strings"
	"time"
)

// sample is one seeded token: days are counted from now.
type sample struct {
	name, scope, organization string // organization "": global
	made                      int    // days ago
	left                      int    // days to live; negative: expired so long ago
	revoked                   bool
}

// samples are Mona's tokens: all states, all kinds of names, and what other tools made.
var samples = []sample{
	// contoso
	{"Build agent pool", "vso.agentpools_manage", "contoso", 61, 29, false},
	{"Nightly backup of repositories", "vso.code", "contoso", 300, 65, false},
	{"Release dashboard", "vso.build vso.release vso.work", "contoso", 12, 78, false},
	{"NuGet publish", "vso.packaging_write", "contoso", 86, 4, false},
	{"npm restore on CI", "vso.packaging", "contoso", 24, 6, false},
	{"Terraform", "vso.build_execute vso.graph_manage vso.project_manage vso.serviceendpoint_manage vso.variablegroups_manage", "contoso", 5, 360, false},
	{"Old laptop", "app_token", "contoso", 200, 165, false},
	{"git: https://dev.azure.com/contoso on LAPTOP-7", "vso.code_write vso.packaging", "contoso", 80, 10, false},
	{"git: https://dev.azure.com/contoso on DESKTOP-2Q9F", "vso.code_write vso.packaging", "contoso", 150, -60, false},
	{"b3e1f0a2-5c64-4f0e-9a5e-7d1c2f3a4b5c", "vso.code_write", "contoso", 40, 50, false},
	{"7f9d2c1e-0b3a-4d68-8e57-1a2b3c4d5e6f", "vso.packaging_write vso.drop_write", "contoso", 20, -13, false},
	{"Azure DevOps Microsoft Teams integration", "vso.hooks_interact vso.work vso.profile", "contoso", 90, 275, false},
	{"Service hook: build finished", "vso.hooks_write", "contoso", 100, 83, false},
	{"Pipelines bot <b>& friends</b>", "vso.build_execute", "contoso", 15, 45, false},
	{"جسر التقارير اليومية", "vso.analytics vso.work", "contoso", 33, 27, false},
	{"Sprint report", "vso.work", "contoso", 95, -5, false},
	{"Trial of the migration tool", "vso.work_full vso.code_full", "contoso", 120, -90, false},
	{"Leaked in a screenshot", "vso.code_full", "contoso", 18, 12, true},
	{"Wiki exporter", "vso.wiki", "contoso", 200, -20, true},
	{"Preview feature test", "vso.future_thing_manage vso.code", "contoso", 8, 22, false},
	{"Weekend experiment", "vso.project", "contoso", 2, 1, false},
	// fabrikam
	{"Code search indexer", "vso.code vso.codesearch", "fabrikam", 50, 310, false},
	{"Container scan", "vso.advsec_write vso.code", "fabrikam", 30, 60, false},
	{"Work item sync", "vso.work_write", "fabrikam", 170, 13, false},
	{"NuGet publish", "vso.packaging_write", "fabrikam", 86, 3, false},
	{"git: https://dev.azure.com/fabrikam on LAPTOP-7", "vso.code_write vso.packaging", "fabrikam", 88, 2, false},
	{"Größenänderung – Übersicht", "vso.build", "fabrikam", 77, -7, false},
	{"Load test rig", "vso.loadtest_write", "fabrikam", 364, 1, false},
	{"Contractor access", "app_token", "fabrikam", 120, -30, true},
	{"Audit export", "vso.auditlog", "fabrikam", 10, 80, false},
	// northwind-labs
	{"Lab robots 🤖", "vso.agentpools_manage vso.build_execute", "northwind-labs", 14, 16, false},
	{"データ取り込み", "vso.work_write vso.test_write", "northwind-labs", 21, 69, false},
	{"Symbol server", "vso.symbols_write", "northwind-labs", 55, 35, false},
	{"A very long name that somebody pasted from a ticket: rotate the deployment token of the staging environment before the audit in December", "vso.environment_manage", "northwind-labs", 9, 171, false},
	{"Prototype", "vso.code vso.build", "northwind-labs", 60, -1, false},
	{"Prototype", "vso.code vso.build", "northwind-labs", 400, -35, false},
	{"Withdrawn by security", "vso.security_manage", "northwind-labs", 25, 5, true},
	// global
	{"vsce publish", "vso.gallery_manage", "", 145, 220, false},
	{"Everything everywhere", "app_token", "", 250, 115, false},
	{"Old global reader", "vso.code", "", 380, -15, false},
	{"Global clone script", "vso.code_write", "", 70, 110, true},
}

// jonasSamples are Jonas' tokens: few, so that it is seen that people see only their own.
var jonasSamples = []sample{
	{"Jonas: clone on build server", "vso.code", "contoso", 30, 60, false},
	{"Jonas: package feed", "vso.packaging", "contoso", 85, 5, false},
	{"Jonas: retired script", "vso.work", "contoso", 190, -10, false},
	{"Jonas: test plans", "vso.test_write", "fabrikam", 12, 18, false},
}

// seed fills the service with the samples of those people and organizations that exist.
func (s *Simulator) seed() {
	for owner, list := range map[string][]sample{Mona: samples, Jonas: jonasSamples} {
		if _, ok := s.personByUsername(owner); !ok {
			continue
		}
		for _, one := range list {
			s.seedOne(owner, one)
		}
	}
	s.seedVaults()
}

// stored is one seeded version of a secret: of Mona's token with that name, days counted from now.
type stored struct {
	vault, name         string
	token, organization string // whose secret it is; "" for none
	made                int    // days ago
	left                int    // days until the vault's own expiry; 0: as the token's
	disabled            bool
}

// storedSamples are the vaults' secrets, older versions first: one whose expiry isn't the token's, one that holds a
// revoked token, one whose older version is enabled still and holds another token than the newest, one that names a token
// that isn't there, and some that hold no token at all.
var storedSamples = []stored{
	{TeamVault, "ci-nuget", "NuGet publish", "contoso", 86, 0, false},
	{TeamVault, "npm-restore", "npm restore on CI", "contoso", 24, 20, false}, // the token was shortened since
	{TeamVault, "leaked-full-access", "Leaked in a screenshot", "contoso", 18, 0, false},
	{TeamVault, "nightly-backup", "Trial of the migration tool", "contoso", 120, 0, false},
	{TeamVault, "nightly-backup", "Nightly backup of repositories", "contoso", 60, 0, false},
	{TeamVault, "smtp-password", "", "", 400, 0, false},
	{TeamVault, "sprint-board", "", "", 95, 30, false},
	{PlatformVault, "terraform-pat", "Terraform", "contoso", 5, 0, false},
	{PlatformVault, "container-scan", "Container scan", "fabrikam", 30, 0, true},
	{PlatformVault, "release-notes", missing, "contoso", 200, 14, false},
	{PlatformVault, "sql-admin", "", "", 700, 0, false},
}

// missing stands for a token that isn't there any more: only the secret still names it.
const (
	missing   = "(missing)"
	missingID = "5d0f7a52-0000-4000-8000-6f1c1a2b3c4d"
)

// seedVaults fills the vaults that exist.
func (s *Simulator) seedVaults() {
	now := s.now()
	for _, one := range storedSamples {
		if _, ok := s.vaultOf(strings.TrimPrefix(one.vault, "https://")); !ok {
			continue
		}
		v := VaultSecret{Vault: one.vault, Name: one.name, Disabled: one.disabled, Created: now.AddDate(0, 0, -one.made)}
		if one.left > 0 {
			v.Expires = now.AddDate(0, 0, one.left).Truncate(time.Second)
		}
		for _, t := range s.pats.tokens {
			if t.DisplayName != one.token || t.Organization != one.organization {
				continue
			}
			v.Value, v.ContentType = t.Secret, "text/plain"
			v.Tags = map[string]string{"patdesk-authorization-id": t.AuthorizationID, "patdesk-organization": t.Organization}
			if one.left == 0 {
				v.Expires = t.ValidTo.Truncate(time.Second)
			}
		}
		if one.token == missing {
			v.Tags = map[string]string{"patdesk-authorization-id": missingID, "patdesk-organization": one.organization}
		}
		s.AddVaultSecret(v)
	}
}

func (s *Simulator) seedOne(owner string, one sample) {
	if _, ok := s.organization(one.organization); !ok && one.organization != "" {
		return
	}
	now := s.now()
	// Not on the hour: real tokens end at any time of the day.
	offset := time.Duration(len(one.name)*97) * time.Second
	s.AddToken(Token{
		AuthorizationID: guidFrom(fmt.Sprint("token ", owner, one)),
		DisplayName:     one.name, Scope: one.scope, Owner: owner, Organization: one.organization, Revoked: one.revoked,
		ValidFrom: now.AddDate(0, 0, -one.made).Add(-offset),
		ValidTo:   now.AddDate(0, 0, one.left).Add(offset).Add(319 * time.Millisecond),
	})
}
