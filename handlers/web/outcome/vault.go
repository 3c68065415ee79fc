package outcome

import (
	"strings"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/vault"
)

// IntoVault is the vault's secret that a new token's secret is put into.
type IntoVault struct {
	State         string // "pending", "written", "failed", "unknown"
	Secret        string // "team/ci-nuget"
	Version       string
	Sentence      string
	Problem       *web.ProblemSummary
	TryAction     string
	ShowAction    string
	Previous      string // what becomes of the version that holds the old token's secret
	DisableAction string
	Disabling     *web.ProblemSummary // why that wasn't done
	Uses          []Use
}

// DescribeInto says how far a secret is on its way into a vault, and what can be done; nil for none.
func DescribeInto(v *web.Request, op *operation.Operation) *IntoVault {
	in := op.Into
	if in == nil || op.State != operation.Succeeded {
		return nil
	}
	p := &IntoVault{State: string(in.State), Secret: in.Secret.String(), Version: in.Version}
	switch in.State {
	case operation.IntoWritten:
		p.Sentence = v.Words.Text("intoVault.written", "Secret", p.Secret)
		if in.Unseen {
			p.Sentence = v.Words.Text("intoVault.writtenUnseen", "Secret", p.Secret)
		}
		p.Uses = VaultUses(in.Secret)
		p.describePrevious(v, op)
		return p
	case operation.IntoPending:
		p.Sentence = v.Words.Text("intoVault.pending", "Secret", p.Secret)
		return p
	}
	p.Sentence = v.Words.Text("intoVault.failed", "Secret", p.Secret)
	if in.Failure != nil {
		p.Problem = web.FailureSummary(v, in.Failure, in.At)
		if in.Failure.Unknown {
			p.State, p.Sentence = "unknown", v.Words.Text("intoVault.unknown", "Secret", p.Secret)
		}
	}
	switch op.Phase() {
	case operation.PhaseUndelivered:
		p.ShowAction = v.Link(web.OperationPath(op.ID) + "/show-instead")
		fallthrough
	case operation.PhaseSecretWaiting:
		p.TryAction = v.Link(web.OperationPath(op.ID) + "/deliver")
	}
	return p
}

func (p *IntoVault) describePrevious(v *web.Request, op *operation.Operation) {
	in := op.Into
	switch {
	case in.Previous == "" || !in.DisableOld:
	case in.Disabled:
		p.Previous = v.Words.Text("intoVault.previousDisabled")
	case op.PreviousOpen():
		p.Previous = v.Words.Text("intoVault.previousEnabled")
		p.DisableAction = v.Link(web.OperationPath(op.ID) + "/disable-previous")
		if in.DisableFailure != nil {
			p.Disabling = web.FailureSummary(v, in.DisableFailure, in.At)
		}
	case op.OldOpen():
		p.Previous = v.Words.Text("intoVault.previousLater")
	}
}

// vaultWays are the ways to read a secret from a vault, in the order in which they are offered, and their kinds of lines.
var vaultWays = []struct {
	id    string
	parts []string
}{
	{"vault-pipeline", []string{"yaml"}},
	{"vault-group", []string{"yaml"}},
	{"vault-az", shells},
	{"vault-github", []string{"yaml"}},
	{"vault-external", []string{"yaml"}},
	{"vault-csi", []string{"yaml"}},
}

// VaultUses are the ways to read a secret from a vault. Formats are those of
// https://learn.microsoft.com/azure/devops/pipelines/tasks/reference/azure-key-vault-v2,
// https://learn.microsoft.com/azure/devops/pipelines/library/link-variable-groups-to-key-vaults,
// https://learn.microsoft.com/cli/azure/keyvault/secret, https://github.com/Azure/login,
// https://external-secrets.io/latest/provider/azure-key-vault and
// https://azure.github.io/secrets-store-csi-driver-provider-azure.
func VaultUses(r vault.Reference) []Use {
	if !vault.ValidName(r.Name) {
		return nil // it goes into lines for a shell
	}
	fill := strings.NewReplacer("{vault}", vault.ShortName(r.Vault), "{address}", r.Vault, "{secret}", r.Name)
	var out []Use
	for _, way := range vaultWays {
		out = append(out, newUse(way.id, way.parts, fill.Replace))
	}
	return out
}
