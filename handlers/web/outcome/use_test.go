package outcome

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/vault"
)

// What is offered fits the scopes, every piece is there and names the organization, the lines for bash are ones that bash
// reads, and none has a place for the secret: they ask for it.
func TestUses(t *testing.T) {
	t.Parallel()
	for scope, want := range map[string][]string{
		"vso.code_write":        {"git", "az", "curl"},
		"vso.code_status":       {"az", "curl"},
		"vso.packaging":         {"nuget", "npm", "pip", "maven", "az", "curl"},
		"vso.agentpools":        {"az", "curl"},
		"vso.agentpools_manage": {"agent", "az", "curl"},
		"vso.gallery_manage":    {"extension", "az", "curl"},
		"vso.unheard_of":        {"az", "curl"},
		azuredevops.FullAccess:  {"git", "nuget", "npm", "pip", "maven", "agent", "extension", "az", "curl"},
	} {
		var got []string
		for _, one := range usesOf("contoso", []string{scope}, false) {
			got = append(got, one.ID)
			for _, part := range one.Parts {
				if part.Lines == "" || strings.ContainsAny(part.Lines, "{}") && strings.Contains(part.Lines, "{organization}") || strings.Contains(part.Lines, "{api}") {
					t.Errorf("%s for %s: %q", one.ID, part.Shell, part.Lines)
				}
				if one.ID != "extension" && !strings.Contains(part.Lines, "contoso") && !strings.Contains(part.Lines, "export AZURE_ARTIFACTS_TOKEN\n") && !strings.Contains(part.Lines, "$env:") {
					t.Errorf("%s for %s names no organization: %q", one.ID, part.Shell, part.Lines)
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", scope, got, want)
		}
	}
	windows := usesOf("contoso", []string{"vso.packaging"}, true)
	if windows[1].Parts[0].Shell != "ps1" || windows[3].Parts[0].Shell != "xml" || windows[3].Parts[1].Shell != "ps1" {
		t.Errorf("on Windows: %+v", windows)
	}
	if got := usesOf("a$(b)", []string{"vso.code"}, false); got != nil {
		t.Errorf("a name that isn't one gets into lines for a shell: %+v", got)
	}
}

func TestUsesAreReadByBash(t *testing.T) {
	t.Parallel()
	for _, one := range usesOf("contoso", []string{azuredevops.FullAccess}, false) {
		for _, part := range one.Parts {
			if part.Shell != "sh" {
				continue
			}
			command := exec.Command("bash", "-n")
			command.Stdin = strings.NewReader(part.Lines)
			if said, err := command.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", one.ID, err, said)
			}
		}
	}
}

// Every way to read a secret from a vault is there, names it, and has nothing left to fill in.
func TestVaultUses(t *testing.T) {
	t.Parallel()
	uses := VaultUses(vault.Reference{Vault: "https://team.vault.azure.cn", Name: "ci-nuget"})
	if len(uses) != 6 {
		t.Errorf("%d ways", len(uses))
	}
	for _, one := range uses {
		for _, part := range one.Parts {
			if !strings.Contains(part.Lines, "ci-nuget") || !strings.Contains(part.Lines, "team") || strings.Contains(part.Lines, "{secret}") || strings.Contains(part.Lines, "{vault}") || strings.Contains(part.Lines, "{address}") {
				t.Errorf("%s for %s: %q", one.ID, part.Shell, part.Lines)
			}
		}
	}
	if got := VaultUses(vault.Reference{Vault: "https://team.vault.azure.net", Name: "a'$(b)"}); got != nil {
		t.Errorf("a name that isn't one gets into lines for a shell: %+v", got)
	}
}
