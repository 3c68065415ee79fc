package azuredevops

import (
	"regexp"
	"strings"
)

// UnknownTool is what MadeBy answers for a name that no person types.
const UnknownTool = "an unknown tool"

// makers are the names that tools give to the tokens they make, from Microsoft's
// list of unexpected tokens and from the tools' own code.
//
// https://learn.microsoft.com/azure/devops/organizations/accounts/use-personal-access-tokens-to-authenticate#unexpected-notification
// https://github.com/git-ecosystem/git-credential-manager (AzureDevOpsRestApi.cs)
// https://github.com/microsoft/artifacts-credprovider (VstsSessionTokenClient.cs)
// https://github.com/microsoft/azure-devops-intellij (AuthHelper.java)
// https://github.com/microsoft/team-explorer-everywhere (getPATDisplayName)
var makers = []struct {
	name *regexp.Regexp
	tool string
}{
	{regexp.MustCompile(`(?i)^git: https?://\S+ on the website\.?$`), "Azure Repos, Generate Git Credentials"},
	{regexp.MustCompile(`(?i)^git: https?://\S+ on \S`), "Git Credential Manager"},
	{regexp.MustCompile(`^Azure DevOps Artifacts Credential Provider`), "Azure Artifacts Credential Provider"},
	{regexp.MustCompile(`^VSTS IntelliJ Plugin: `), "Azure DevOps plugin for IntelliJ"},
	{regexp.MustCompile(`^TF from: .* on: `), "Team Explorer Everywhere"},
	{regexp.MustCompile(`^Service Hooks ?:`), "Service hooks"},
	{regexp.MustCompile(`^WebAppLoadTestCDIntToken`), "Web load testing"},
	{regexp.MustCompile(`^Microsoft Teams Integration`), "Microsoft Teams"},
	{regexp.MustCompile(`(?i)^\{?[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}\}?$`), UnknownTool},
}

// MadeBy names the tool that made a token of this name ("Git Credential
// Manager"), "" if none is recognised. It is a guess from the name alone: the
// service doesn't tell who made a token.
func MadeBy(displayName string) string {
	displayName = strings.TrimSpace(displayName)
	for _, m := range makers {
		if m.name.MatchString(displayName) {
			return m.tool
		}
	}
	return ""
}
