package azuredevops

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Tool is something that makes tokens by itself.
type Tool string

// UnknownTool stands for what gives its tokens names that no person types.
const UnknownTool Tool = "unknown"

// Term is what its maker calls the tool in English.
func (t Tool) Term() string { return toolTerms[t] }

// Tools lists all that MadeBy can answer.
func Tools() []Tool { return slices.Sorted(maps.Keys(toolTerms)) }

var toolTerms = map[Tool]string{ //nolint:gosec // names of credential managers, not credentials
	"azure-repos-generate-git-credentials": "Azure Repos, Generate Git Credentials",
	"git-credential-manager":               "Git Credential Manager",
	"azure-artifacts-credential-provider":  "Azure Artifacts Credential Provider",
	"azure-devops-plugin-for-intellij":     "Azure DevOps plugin for IntelliJ",
	"team-explorer-everywhere":             "Team Explorer Everywhere",
	"service-hooks":                        "Service hooks",
	"web-load-testing":                     "Web load testing",
	"microsoft-teams":                      "Microsoft Teams",
	UnknownTool:                            "an unknown tool",
}

// makers are the names that tools give to the tokens they make, from Microsoft's list of unexpected tokens and from the
// tools' own code.
//
// https://learn.microsoft.com/azure/devops/organizations/accounts/use-personal-access-tokens-to-authenticate#unexpected-notification
// https://github.com/git-ecosystem/git-credential-manager (AzureDevOpsRestApi.cs)
// https://github.com/microsoft/artifacts-credprovider (VstsSessionTokenClient.cs)
// https://github.com/microsoft/azure-devops-intellij (AuthHelper.java)
// https://github.com/microsoft/team-explorer-everywhere (getPATDisplayName)
var makers = []struct {
	name *regexp.Regexp
	tool Tool
}{
	{regexp.MustCompile(`(?i)^git: https?://\S+ on the website\.?$`), "azure-repos-generate-git-credentials"},
	{regexp.MustCompile(`(?i)^git: https?://\S+ on \S`), "git-credential-manager"},
	{regexp.MustCompile(`^Azure DevOps Artifacts Credential Provider`), "azure-artifacts-credential-provider"},
	{regexp.MustCompile(`^VSTS IntelliJ Plugin: `), "azure-devops-plugin-for-intellij"},
	{regexp.MustCompile(`^TF from: .* on: `), "team-explorer-everywhere"},
	{regexp.MustCompile(`^Service Hooks ?:`), "service-hooks"},
	{regexp.MustCompile(`^WebAppLoadTestCDIntToken`), "web-load-testing"},
	{regexp.MustCompile(`^Microsoft Teams Integration`), "microsoft-teams"},
	{regexp.MustCompile(`(?i)^\{?[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}\}?$`), UnknownTool},
}

// MadeBy is the tool that made a token of this name, "" if none is recognised. It is a guess from the name alone: the
// service doesn't report who made a token.
func MadeBy(displayName string) Tool {
	displayName = strings.TrimSpace(displayName)
	for _, m := range makers {
		if m.name.MatchString(displayName) {
			return m.tool
		}
	}
	return ""
}
