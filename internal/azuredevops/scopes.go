package azuredevops

import (
	"slices"
	"strings"
)

// FullAccess is the scope that grants everything its owner may do. It can't be
// combined with others.
const FullAccess = "app_token"

// Scope is one row of the table of scopes.
type Scope struct {
	ID          string // "vso.code_write"
	Group       string // "Code"
	Level       string // "Read & write"
	Implies     string // direct parent, "" if none
	High        bool   // Microsoft's high-privilege flag
	Offered     bool   // in the picker; others are only displayed
	Known       bool   // in the table
	Description string
}

// Group is one box of the picker.
type Group struct {
	Name   string  // "Code"
	Slug   string  // "code": for form fields
	Scopes []Scope // offered levels, lowest first
}

// Groups returns the picker's boxes in alphabetical order, without Full access.
func Groups() []Group {
	var groups []Group
	for _, s := range scopes {
		if !s.Offered || s.ID == FullAccess {
			continue
		}
		if len(groups) == 0 || groups[len(groups)-1].Name != s.Group {
			groups = append(groups, Group{Name: s.Group, Slug: slug(s.Group)})
		}
		last := &groups[len(groups)-1]
		last.Scopes = append(last.Scopes, s)
	}
	slices.SortFunc(groups, func(a, b Group) int { return strings.Compare(a.Name, b.Name) })
	return groups
}

// Scopes returns the whole table, also what is only displayed, in the order of
// Microsoft's dialog.
func Scopes() []Scope { return slices.Clone(scopes) }

// LookupScope returns the row for id. For an unknown id Known is false and
// Level is the id itself, so that a scope newer than the table is still shown.
func LookupScope(id string) Scope {
	if i, ok := scopeIndex[id]; ok {
		return scopes[i]
	}
	return Scope{ID: id, Level: id}
}

// Implied returns all scopes that id brings along, nearest first. Full access
// brings everything along and has no such list.
func Implied(id string) []string {
	var implied []string
	for parent := LookupScope(id).Implies; parent != ""; parent = LookupScope(parent).Implies {
		implied = append(implied, parent)
	}
	return implied
}

// slug turns a group's name into a form field's: "Project and Team" into
// "project-and-team".
func slug(name string) string {
	return strings.ReplaceAll(strings.ToLower(name), " ", "-")
}

var scopeIndex = indexScopes()

func indexScopes() map[string]int {
	index := make(map[string]int, len(scopes))
	for i := range scopes {
		scopes[i].Known = true
		index[scopes[i].ID] = i
	}
	return index
}

// scopes is what Microsoft publishes as available scopes, with the words of its
// token dialog for group and level, lowest level first. The rows at the end are
// in no dialog, yet found on tokens that tools have made.
//
// vso.pats, vso.pats_manage and user_impersonation are missing on purpose: they
// are permissions of the app in Entra, not scopes of a token.
//
// https://learn.microsoft.com/azure/devops/integrate/get-started/authentication/oauth
var scopes = []Scope{
	{ID: "app_token", Group: "Full access", Level: "Full access", High: true, Offered: true, Description: "Do everything its owner may do, everywhere in the organization"},
	{ID: "vso.advsec", Group: "Advanced Security", Level: "Read", High: true, Offered: true, Description: "See security alerts and analysis results"},
	{ID: "vso.advsec_write", Group: "Advanced Security", Level: "Read & write", Implies: "vso.advsec", High: true, Offered: true, Description: "See alerts and upload SARIF analyses"},
	{ID: "vso.advsec_manage", Group: "Advanced Security", Level: "Read, write, & manage", Implies: "vso.advsec_write", High: true, Offered: true, Description: "See alerts, upload and delete analyses, change the state of alerts"},
	{ID: "vso.agentpools", Group: "Agent Pools", Level: "Read", Offered: true, Description: "See agent pools, queues, agents and their jobs"},
	{ID: "vso.agentpools_manage", Group: "Agent Pools", Level: "Read & manage", Implies: "vso.agentpools", High: true, Offered: true, Description: "Administer pools, queues and agents; register an agent"},
	{ID: "vso.analytics", Group: "Analytics", Level: "Read", Offered: true, Description: "Query Analytics data"},
	{ID: "vso.auditlog", Group: "Auditing", Level: "Read Audit Log", Offered: true, Description: "Read the audit log and the streams of the organization"},
	{ID: "vso.auditstreams_manage", Group: "Auditing", Level: "Manage Streams", Implies: "vso.auditlog", High: true, Offered: true, Description: "Read the audit log, create and change audit streams"},
	{ID: "vso.auditstreams_delete", Group: "Auditing", Level: "Delete Streams", High: true, Offered: true, Description: "Delete audit streams"},
	{ID: "vso.build", Group: "Build", Level: "Read", Implies: "vso.hooks_write", Offered: true, Description: "See builds, definitions and artifacts, and edit their service hooks"},
	{ID: "vso.build_execute", Group: "Build", Level: "Read & execute", Implies: "vso.build", High: true, Offered: true, Description: "See, queue and edit builds and definitions"},
	{ID: "vso.code", Group: "Code", Level: "Read", Implies: "vso.hooks_write", Offered: true, Description: "Read and search repositories, commits and pull requests, and edit their service hooks"},
	{ID: "vso.code_write", Group: "Code", Level: "Read & write", Implies: "vso.code", High: true, Offered: true, Description: "Read and push code, work on pull requests, change branch policies"},
	{ID: "vso.code_manage", Group: "Code", Level: "Read, write, & manage", Implies: "vso.code_write", High: true, Offered: true, Description: "Read and push code, create, rename and delete repositories"},
	{ID: "vso.code_full", Group: "Code", Level: "Full", Implies: "vso.code_manage", High: true, Offered: true, Description: "Everything in repositories, older client APIs included"},
	{ID: "vso.code_status", Group: "Code", Level: "Status", Offered: true, Description: "Read and write the statuses of commits and pull requests, nothing else"},
	{ID: "vso.connected_server", Group: "Connected Server", Level: "Access endpoints", Offered: true, Description: "Use the endpoints that a linked on-premises server needs"},
	{ID: "vso.machinegroup_manage", Group: "Deployment Groups", Level: "Read & manage", Implies: "vso.agentpools_manage", High: true, Offered: true, Description: "Administer deployment groups, their pools and their agents"},
	{ID: "vso.entitlements", Group: "Entitlements", Level: "Read", Offered: true, Description: "Read licence entitlements"},
	{ID: "vso.environment_manage", Group: "Environment", Level: "Read & manage", Implies: "vso.agentpools_manage", High: true, Offered: true, Description: "Administer environments, pools and queues"},
	{ID: "vso.extension.data", Group: "Extension Data", Level: "Read", Implies: "vso.profile", Offered: true, Description: "Read the data of installed extensions"},
	{ID: "vso.extension.data_write", Group: "Extension Data", Level: "Read & write", Implies: "vso.extension.data", Offered: true, Description: "Read and change the data of installed extensions"},
	{ID: "vso.extension", Group: "Extensions", Level: "Read", Implies: "vso.profile", Offered: true, Description: "List installed extensions"},
	{ID: "vso.extension_manage", Group: "Extensions", Level: "Read & manage", Implies: "vso.extension", High: true, Offered: true, Description: "Install, remove and administer extensions"},
	{ID: "vso.githubconnections", Group: "GitHub Connections", Level: "Read", Offered: true, Description: "See GitHub connections and linked repositories"},
	{ID: "vso.githubconnections_manage", Group: "GitHub Connections", Level: "Read & manage", Implies: "vso.githubconnections", High: true, Offered: true, Description: "See and change GitHub connections and linked repositories"},
	{ID: "vso.graph", Group: "Graph", Level: "Read", Offered: true, Description: "Read users, groups and memberships"},
	{ID: "vso.graph_manage", Group: "Graph", Level: "Read & manage", Implies: "vso.graph", High: true, Offered: true, Description: "Read and add users and groups, change memberships"},
	{ID: "vso.identity", Group: "Identity", Level: "Read", Offered: true, Description: "Read identities and groups"},
	{ID: "vso.identity_manage", Group: "Identity", Level: "Read & manage", Implies: "vso.identity", High: true, Offered: true, Description: "Read and change identities and groups"},
	{ID: "vso.gallery", Group: "Marketplace", Level: "Read", Implies: "vso.profile", Offered: true, Description: "See Marketplace items and publishers"},
	{ID: "vso.gallery_acquire", Group: "Marketplace", Level: "Acquire", Implies: "vso.gallery", Offered: true, Description: "See and acquire Marketplace items"},
	{ID: "vso.gallery_publish", Group: "Marketplace", Level: "Publish", Implies: "vso.gallery", High: true, Offered: true, Description: "Upload, update and share Marketplace items"},
	{ID: "vso.gallery_manage", Group: "Marketplace", Level: "Manage", Implies: "vso.gallery_publish", High: true, Offered: true, Description: "Upload and update Marketplace items, administer publishers"},
	{ID: "vso.memberentitlementmanagement", Group: "MemberEntitlement Management", Level: "Read", Offered: true, Description: "See users, licences, and access to projects and extensions"},
	{ID: "vso.memberentitlementmanagement_write", Group: "MemberEntitlement Management", Level: "Read & write", Implies: "vso.memberentitlementmanagement", High: true, Offered: true, Description: "See and change users, licences, and access to projects and extensions"},
	{ID: "vso.notification", Group: "Notifications", Level: "Read", Implies: "vso.profile", Offered: true, Description: "See subscriptions and event metadata"},
	{ID: "vso.notification_write", Group: "Notifications", Level: "Read & write", Implies: "vso.notification", Offered: true, Description: "See and edit subscriptions"},
	{ID: "vso.notification_manage", Group: "Notifications", Level: "Read, write, & manage", Implies: "vso.notification_write", Offered: true, Description: "See, edit and administer subscriptions"},
	{ID: "vso.notification_diagnostics", Group: "Notifications", Level: "Diagnostics", Implies: "vso.notification", Offered: true, Description: "Read notification logs and switch diagnostics on"},
	{ID: "vso.packaging", Group: "Packaging", Level: "Read", Implies: "vso.profile", Offered: true, Description: "Restore packages and list feeds"},
	{ID: "vso.packaging_write", Group: "Packaging", Level: "Read & write", Implies: "vso.packaging", High: true, Offered: true, Description: "Restore and publish packages, create feeds"},
	{ID: "vso.packaging_manage", Group: "Packaging", Level: "Read, write, & manage", Implies: "vso.packaging_write", High: true, Offered: true, Description: "Restore, publish and delete packages, administer feeds"},
	{ID: "vso.pipelineresources_use", Group: "Pipeline Resources", Level: "Use", High: true, Offered: true, Description: "Approve a pipeline's use of a protected resource"},
	{ID: "vso.pipelineresources_manage", Group: "Pipeline Resources", Level: "Use and manage", Implies: "vso.pipelineresources_use", High: true, Offered: true, Description: "Approve the use of protected resources and administer their permissions"},
	{ID: "vso.project", Group: "Project and Team", Level: "Read", Offered: true, Description: "List projects and teams"},
	{ID: "vso.project_write", Group: "Project and Team", Level: "Read & write", Implies: "vso.project", Offered: true, Description: "List and edit projects and teams"},
	{ID: "vso.project_manage", Group: "Project and Team", Level: "Read, write, & manage", Implies: "vso.project_write", High: true, Offered: true, Description: "List, edit, create and delete projects and teams"},
	{ID: "vso.threads_full", Group: "Pull Request Threads", Level: "Read & write", Offered: true, Description: "Read and write comments on pull requests"},
	{ID: "vso.release", Group: "Release", Level: "Read", Implies: "vso.profile", Offered: true, Description: "See classic releases and their definitions"},
	{ID: "vso.release_execute", Group: "Release", Level: "Read, write, & execute", Implies: "vso.release", High: true, Offered: true, Description: "See, edit and start classic releases"},
	{ID: "vso.release_manage", Group: "Release", Level: "Read, write, execute, & manage", Implies: "vso.release_execute", High: true, Offered: true, Description: "See, edit, start, approve and delete classic releases"},
	{ID: "vso.securefiles_read", Group: "Secure Files", Level: "Read", High: true, Offered: true, Description: "Read secure files"},
	{ID: "vso.securefiles_write", Group: "Secure Files", Level: "Read & create", Implies: "vso.securefiles_read", High: true, Offered: true, Description: "Read and add secure files"},
	{ID: "vso.securefiles_manage", Group: "Secure Files", Level: "Read, create, & manage", Implies: "vso.securefiles_write", High: true, Offered: true, Description: "Read, add and administer secure files"},
	{ID: "vso.security_manage", Group: "Security", Level: "Manage", High: true, Offered: true, Description: "Read and change permissions"},
	{ID: "vso.serviceendpoint", Group: "Service Connections", Level: "Read", Implies: "vso.profile", Offered: true, Description: "See service connections"},
	{ID: "vso.serviceendpoint_query", Group: "Service Connections", Level: "Read & query", Implies: "vso.serviceendpoint", Offered: true, Description: "See service connections and query through them"},
	{ID: "vso.serviceendpoint_manage", Group: "Service Connections", Level: "Read, query, & manage", Implies: "vso.serviceendpoint_query", High: true, Offered: true, Description: "See, query, create and change service connections"},
	{ID: "vso.hooks", Group: "Service Hooks", Level: "Read", Implies: "vso.profile", Description: "See service hook subscriptions"},
	{ID: "vso.hooks_write", Group: "Service Hooks", Level: "Read & write", Implies: "vso.hooks", Description: "See and edit service hook subscriptions"},
	{ID: "vso.hooks_interact", Group: "Service Hooks", Level: "Interact", Implies: "vso.profile", Description: "Act on service hook events"},
	{ID: "vso.settings", Group: "Settings", Level: "Read", Description: "Read settings"},
	{ID: "vso.settings_write", Group: "Settings", Level: "Read & write", Implies: "vso.settings", Description: "Read and change settings"},
	{ID: "vso.symbols", Group: "Symbols", Level: "Read", Implies: "vso.profile", Offered: true, Description: "Fetch symbols"},
	{ID: "vso.symbols_write", Group: "Symbols", Level: "Read & write", Implies: "vso.symbols", Offered: true, Description: "Fetch and publish symbols"},
	{ID: "vso.symbols_manage", Group: "Symbols", Level: "Read, write, & manage", Implies: "vso.symbols_write", Offered: true, Description: "Fetch, publish and administer symbols"},
	{ID: "vso.taskgroups_read", Group: "Task Groups", Level: "Read", Offered: true, Description: "See task groups"},
	{ID: "vso.taskgroups_write", Group: "Task Groups", Level: "Read & create", Implies: "vso.taskgroups_read", Offered: true, Description: "See and add task groups"},
	{ID: "vso.taskgroups_manage", Group: "Task Groups", Level: "Read, create, & manage", Implies: "vso.taskgroups_write", High: true, Offered: true, Description: "See, add and administer task groups"},
	{ID: "vso.dashboards", Group: "Team Dashboard", Level: "Read", Offered: true, Description: "See dashboards"},
	{ID: "vso.dashboards_manage", Group: "Team Dashboard", Level: "Read & manage", Implies: "vso.dashboards", Offered: true, Description: "See and administer dashboards"},
	{ID: "vso.test", Group: "Test Management", Level: "Read", Implies: "vso.profile", Offered: true, Description: "See test plans, cases and results"},
	{ID: "vso.test_write", Group: "Test Management", Level: "Read & write", Implies: "vso.test", Offered: true, Description: "See, create and update test plans, cases and results"},
	{ID: "vso.tokens", Group: "Tokens", Level: "Read & manage", High: true, Offered: true, Description: "Manage delegated authorization tokens; of no use for personal access tokens"},
	{ID: "vso.tokenadministration", Group: "Token Administration", Level: "Read & manage", High: true, Offered: true, Description: "As an organization administrator, list and revoke other people's tokens"},
	{ID: "vso.profile", Group: "User Profile", Level: "Read", Offered: true, Description: "Read the own profile, organizations, projects and teams"},
	{ID: "vso.profile_write", Group: "User Profile", Level: "Read & write", Implies: "vso.profile", Offered: true, Description: "Read and edit the own profile"},
	{ID: "vso.variablegroups_read", Group: "Variable Groups", Level: "Read", Offered: true, Description: "Read variable groups"},
	{ID: "vso.variablegroups_write", Group: "Variable Groups", Level: "Read & create", Implies: "vso.variablegroups_read", Offered: true, Description: "Read and add variable groups"},
	{ID: "vso.variablegroups_manage", Group: "Variable Groups", Level: "Read, create, & manage", Implies: "vso.variablegroups_write", High: true, Offered: true, Description: "Read, add and administer variable groups"},
	{ID: "vso.wiki", Group: "Wiki", Level: "Read", Offered: true, Description: "Read and search wikis"},
	{ID: "vso.wiki_write", Group: "Wiki", Level: "Read & write", Implies: "vso.wiki", Offered: true, Description: "Read, search and edit wikis"},
	{ID: "vso.work", Group: "Work Items", Level: "Read", Implies: "vso.hooks_write", Offered: true, Description: "Read boards, queries and work items, and edit their service hooks"},
	{ID: "vso.work_write", Group: "Work Items", Level: "Read & write", Implies: "vso.work", Offered: true, Description: "Read, create and edit work items"},
	{ID: "vso.work_full", Group: "Work Items", Level: "Read, write, & manage", Implies: "vso.work_write", Offered: true, Description: "Everything in work tracking"},

	{ID: "vso.governance", Group: "Component Governance", Level: "Read", Description: "See the components that builds use, and their alerts"},
	{ID: "vso.governance_write", Group: "Component Governance", Level: "Read & write", Implies: "vso.governance", Description: "See and register components and alerts"},
	{ID: "vso.governance_manage", Group: "Component Governance", Level: "Read, write, & manage", Implies: "vso.governance_write", Description: "See, register and administer components and alerts"},
	{ID: "vso.drop", Group: "Drop", Level: "Read", Description: "Download drops, which builds have stored"},
	{ID: "vso.drop_write", Group: "Drop", Level: "Read & write", Implies: "vso.drop", Description: "Download and store drops"},
	{ID: "vso.drop_manage", Group: "Drop", Level: "Read, write, & manage", Implies: "vso.drop_write", Description: "Download, store and delete drops"},
	{ID: "vso.buildcache", Group: "Build Cache", Level: "Read", Description: "Read the build cache"},
	{ID: "vso.buildcache_write", Group: "Build Cache", Level: "Read & write", Implies: "vso.buildcache", Description: "Read and fill the build cache"},
	{ID: "vso.codesearch", Group: "Code Search", Level: "Read", Description: "Search code"},
	{ID: "vso.workitemsearch", Group: "Work Item Search", Level: "Read", Description: "Search work items"},
	{ID: "vso.features", Group: "Features", Level: "Read", Description: "See which preview features are on"},
	{ID: "vso.features_write", Group: "Features", Level: "Read & write", Implies: "vso.features", Description: "See preview features and switch them"},
	{ID: "vso.msdnsubadmin", Group: "Visual Studio Subscriptions", Level: "Administer", Description: "Administer Visual Studio subscriptions"},
	{ID: "vso.subscriptions", Group: "Subscriptions", Level: "Read", Description: "See subscriptions"},
	{ID: "vso.loadtest", Group: "Load Test", Level: "Read", Description: "Read load tests; the product is retired"},
	{ID: "vso.loadtest_write", Group: "Load Test", Level: "Read & write", Implies: "vso.loadtest", Description: "Read and run load tests; the product is retired"},
	{ID: "preview_api_all", Group: "Full access", Level: "All APIs (deprecated)", High: true, Description: "Everything its owner may do; an old form of Full access"},
}
