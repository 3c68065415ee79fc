package outcome

import (
	"embed"
	"slices"
	"strings"

	"github.com/patdesk/patdesk/internal/azuredevops"
)

// Use is one way to use a new secret: the lines to run, for each kind of shell. None of them has the secret in it: they
// ask for it, so that no shell keeps it in its history, and pass it on by pipes, files and the environment, so that no list
// of processes shows it. Lines that ask are one command, in brackets: a terminal that takes pasted lines one by one would
// give the next line as the answer.
type Use struct {
	ID    string // in the catalogue: useIt.<ID>
	Parts []usePart
}

// usePart are lines for one kind of shell, or for a file.
type usePart struct{ ID, Shell, Lines string } // ID of its use; "sh", "ps1", "xml", "config", "yaml"

// Formats are those of https://learn.microsoft.com/azure/devops/artifacts (npm, python, maven),
// https://learn.microsoft.com/nuget/consume-packages/consuming-packages-authenticated-feeds,
// https://git-scm.com/docs/git-credential, https://learn.microsoft.com/azure/devops/cli/log-in-via-pat and
// https://learn.microsoft.com/azure/devops/pipelines/agents/linux-agent. Azure DevOps has no registry of container images,
// so there is nothing for Docker.
//
//go:embed uses
var useFiles embed.FS

// ways are the ways to use a secret in the order in which they are offered, with the groups of scopes that they need;
// none: any scope will do.
var ways = []struct {
	id     string
	groups []azuredevops.GroupID
	shells []string
}{
	{"git", []azuredevops.GroupID{"code"}, shells},
	{"nuget", packaging, []string{"config", "sh", "ps1"}},
	{"npm", packaging, shells},
	{"pip", packaging, shells},
	{"maven", packaging, []string{"xml", "sh", "ps1"}},
	{"agent", []azuredevops.GroupID{"agent-pools"}, shells},
	{"extension", []azuredevops.GroupID{"marketplace"}, shells},
	{"az", nil, shells},
	{"curl", nil, shells},
}

var (
	packaging = []azuredevops.GroupID{"packaging"}
	shells    = []string{"sh", "ps1"}
)

// tooLittle are scopes of these groups that don't do for what is offered.
var tooLittle = []string{"vso.code_status", "vso.agentpools", "vso.gallery", "vso.gallery_acquire"}

// apis are addresses that a token with a scope of the group may ask, below https://.
var apis = map[azuredevops.GroupID]string{
	"analytics":   "analytics.dev.azure.com/{organization}/_odata/v4.0-preview/Projects",
	"agent-pools": "dev.azure.com/{organization}/_apis/distributedtask/pools?api-version=7.1",
	"build":       "dev.azure.com/{organization}/PROJECT/_apis/build/builds?api-version=7.1",
	"code":        "dev.azure.com/{organization}/_apis/git/repositories?api-version=7.1",
	"packaging":   "feeds.dev.azure.com/{organization}/_apis/packaging/feeds?api-version=7.1",
	"release":     "vsrm.dev.azure.com/{organization}/PROJECT/_apis/release/releases?api-version=7.1",
	"work-items":  "dev.azure.com/{organization}/_apis/wit/workitems/1?api-version=7.1",
}

// usesOf are the ways to use a token with these scopes. Windows' shell comes first where the visitor has it.
func usesOf(organization string, scopes []string, windows bool) []Use {
	if !azuredevops.ValidOrganization(organization) {
		return nil // its name goes into lines for a shell
	}
	full, api := slices.Contains(scopes, azuredevops.FullAccess), "dev.azure.com/{organization}/_apis/projects?api-version=7.1"
	has := map[azuredevops.GroupID]bool{}
	for _, id := range scopes {
		if scope := azuredevops.LookupScope(id); scope.Known && !slices.Contains(tooLittle, id) {
			has[scope.Group] = true
		}
	}
	for _, id := range scopes {
		if at, ok := apis[azuredevops.LookupScope(id).Group]; ok {
			api = at
			break
		}
	}
	fill := func(lines string) string {
		return strings.ReplaceAll(strings.ReplaceAll(lines, "{api}", "https://"+api), "{organization}", organization)
	}
	var out []Use
	for _, way := range ways {
		if !full && way.groups != nil && !slices.ContainsFunc(way.groups, func(g azuredevops.GroupID) bool { return has[g] }) {
			continue
		}
		one := newUse(way.id, way.shells, fill)
		if n := len(one.Parts); windows {
			one.Parts[n-2], one.Parts[n-1] = one.Parts[n-1], one.Parts[n-2]
		}
		out = append(out, one)
	}
	return out
}

// newUse reads the lines of a way to use a secret and fills them in.
func newUse(id string, shells []string, fill func(lines string) string) Use {
	use := Use{ID: id}
	for _, shell := range shells {
		lines, _ := useFiles.ReadFile("uses/" + id + "." + shell) // a test reads all of them
		use.Parts = append(use.Parts, usePart{id, shell, strings.TrimSuffix(fill(string(lines)), "\n")})
	}
	return use
}
