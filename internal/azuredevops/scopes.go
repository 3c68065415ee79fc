package azuredevops

import (
	"slices"
	"strings"
)

// FullAccess is the scope that grants everything its owner may do. It can't be combined with others.
const FullAccess = "app_token"

// GroupID is one group of scopes, for good: form fields have it in their names, and messages in their keys.
type GroupID string

// Term is what Azure DevOps calls the group in English.
func (g GroupID) Term() string { return groupTerms[g] }

// LevelID is how far a scope goes within its group, for good.
type LevelID string

// Term is what Azure DevOps calls the level in English.
func (l LevelID) Term() string { return levelTerms[l] }

// Scope is one row of the table of scopes.
type Scope struct {
	ID      string // "vso.code_write"
	Group   GroupID
	Level   LevelID // "" for FullAccess, which is all of its group
	Implies string  // direct parent, "" if none
	High    bool    // Microsoft's high-privilege flag
	Offered bool    // in the picker; others are only displayed
	Known   bool    // in the table
}

// Term is the scope's whole name in Azure DevOps' English: "Code: Read & write".
func (s Scope) Term() string {
	if s.Level == "" {
		return s.Group.Term()
	}
	return s.Group.Term() + ": " + s.Level.Term()
}

// Group is one box of the picker.
type Group struct {
	ID     GroupID
	Scopes []Scope // offered levels, lowest first
}

// Groups returns the picker's boxes in the order of their terms, without Full access.
func Groups() []Group {
	var groups []Group
	for _, s := range scopes {
		if !s.Offered || s.ID == FullAccess {
			continue
		}
		if len(groups) == 0 || groups[len(groups)-1].ID != s.Group {
			groups = append(groups, Group{ID: s.Group})
		}
		last := &groups[len(groups)-1]
		last.Scopes = append(last.Scopes, s)
	}
	slices.SortFunc(groups, func(a, b Group) int { return strings.Compare(a.ID.Term(), b.ID.Term()) })
	return groups
}

// Scopes returns the whole table, also what is only displayed, in the order of Microsoft's dialog.
func Scopes() []Scope { return slices.Clone(scopes) }

// LookupScope returns the row for id. For an unknown id, such as a scope newer than the table, Known is false.
func LookupScope(id string) Scope {
	if i, ok := scopeIndex[id]; ok {
		return scopes[i]
	}
	return Scope{ID: id}
}

// Implied returns all scopes that id brings along, nearest first. Full access brings everything along and has no such
// list.
func Implied(id string) []string {
	var implied []string
	for parent := LookupScope(id).Implies; parent != ""; parent = LookupScope(parent).Implies {
		implied = append(implied, parent)
	}
	return implied
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

// scopes is what Microsoft publishes as available scopes, with the groups and levels of its token dialog, lowest level
// first. The rows at the end are in no dialog, yet found on tokens that tools have made.
//
// vso.pats, vso.pats_manage and user_impersonation are missing on purpose: they are permissions of the app in Entra,
// not scopes of a token.
//
// https://learn.microsoft.com/azure/devops/integrate/get-started/authentication/oauth
var scopes = []Scope{
	{ID: "app_token", Group: "full-access", High: true, Offered: true},
	{ID: "vso.advsec", Group: "advanced-security", Level: "read", High: true, Offered: true},
	{ID: "vso.advsec_write", Group: "advanced-security", Level: "read-write", Implies: "vso.advsec", High: true, Offered: true},
	{ID: "vso.advsec_manage", Group: "advanced-security", Level: "read-write-manage", Implies: "vso.advsec_write", High: true, Offered: true},
	{ID: "vso.agentpools", Group: "agent-pools", Level: "read", Offered: true},
	{ID: "vso.agentpools_manage", Group: "agent-pools", Level: "read-manage", Implies: "vso.agentpools", High: true, Offered: true},
	{ID: "vso.analytics", Group: "analytics", Level: "read", Offered: true},
	{ID: "vso.auditlog", Group: "auditing", Level: "read-audit-log", Offered: true},
	{ID: "vso.auditstreams_manage", Group: "auditing", Level: "manage-streams", Implies: "vso.auditlog", High: true, Offered: true},
	{ID: "vso.auditstreams_delete", Group: "auditing", Level: "delete-streams", High: true, Offered: true},
	{ID: "vso.build", Group: "build", Level: "read", Implies: "vso.hooks_write", Offered: true},
	{ID: "vso.build_execute", Group: "build", Level: "read-execute", Implies: "vso.build", High: true, Offered: true},
	{ID: "vso.code", Group: "code", Level: "read", Implies: "vso.hooks_write", Offered: true},
	{ID: "vso.code_write", Group: "code", Level: "read-write", Implies: "vso.code", High: true, Offered: true},
	{ID: "vso.code_manage", Group: "code", Level: "read-write-manage", Implies: "vso.code_write", High: true, Offered: true},
	{ID: "vso.code_full", Group: "code", Level: "full", Implies: "vso.code_manage", High: true, Offered: true},
	{ID: "vso.code_status", Group: "code", Level: "status", Offered: true},
	{ID: "vso.connected_server", Group: "connected-server", Level: "access-endpoints", Offered: true},
	{ID: "vso.machinegroup_manage", Group: "deployment-groups", Level: "read-manage", Implies: "vso.agentpools_manage", High: true, Offered: true},
	{ID: "vso.entitlements", Group: "entitlements", Level: "read", Offered: true},
	{ID: "vso.environment_manage", Group: "environment", Level: "read-manage", Implies: "vso.agentpools_manage", High: true, Offered: true},
	{ID: "vso.extension.data", Group: "extension-data", Level: "read", Implies: "vso.profile", Offered: true},
	{ID: "vso.extension.data_write", Group: "extension-data", Level: "read-write", Implies: "vso.extension.data", Offered: true},
	{ID: "vso.extension", Group: "extensions", Level: "read", Implies: "vso.profile", Offered: true},
	{ID: "vso.extension_manage", Group: "extensions", Level: "read-manage", Implies: "vso.extension", High: true, Offered: true},
	{ID: "vso.githubconnections", Group: "github-connections", Level: "read", Offered: true},
	{ID: "vso.githubconnections_manage", Group: "github-connections", Level: "read-manage", Implies: "vso.githubconnections", High: true, Offered: true},
	{ID: "vso.graph", Group: "graph", Level: "read", Offered: true},
	{ID: "vso.graph_manage", Group: "graph", Level: "read-manage", Implies: "vso.graph", High: true, Offered: true},
	{ID: "vso.identity", Group: "identity", Level: "read", Offered: true},
	{ID: "vso.identity_manage", Group: "identity", Level: "read-manage", Implies: "vso.identity", High: true, Offered: true},
	{ID: "vso.gallery", Group: "marketplace", Level: "read", Implies: "vso.profile", Offered: true},
	{ID: "vso.gallery_acquire", Group: "marketplace", Level: "acquire", Implies: "vso.gallery", Offered: true},
	{ID: "vso.gallery_publish", Group: "marketplace", Level: "publish", Implies: "vso.gallery", High: true, Offered: true},
	{ID: "vso.gallery_manage", Group: "marketplace", Level: "manage", Implies: "vso.gallery_publish", High: true, Offered: true},
	{ID: "vso.memberentitlementmanagement", Group: "memberentitlement-management", Level: "read", Offered: true},
	{ID: "vso.memberentitlementmanagement_write", Group: "memberentitlement-management", Level: "read-write", Implies: "vso.memberentitlementmanagement", High: true, Offered: true},
	{ID: "vso.notification", Group: "notifications", Level: "read", Implies: "vso.profile", Offered: true},
	{ID: "vso.notification_write", Group: "notifications", Level: "read-write", Implies: "vso.notification", Offered: true},
	{ID: "vso.notification_manage", Group: "notifications", Level: "read-write-manage", Implies: "vso.notification_write", Offered: true},
	{ID: "vso.notification_diagnostics", Group: "notifications", Level: "diagnostics", Implies: "vso.notification", Offered: true},
	{ID: "vso.packaging", Group: "packaging", Level: "read", Implies: "vso.profile", Offered: true},
	{ID: "vso.packaging_write", Group: "packaging", Level: "read-write", Implies: "vso.packaging", High: true, Offered: true},
	{ID: "vso.packaging_manage", Group: "packaging", Level: "read-write-manage", Implies: "vso.packaging_write", High: true, Offered: true},
	{ID: "vso.pipelineresources_use", Group: "pipeline-resources", Level: "use", High: true, Offered: true},
	{ID: "vso.pipelineresources_manage", Group: "pipeline-resources", Level: "use-manage", Implies: "vso.pipelineresources_use", High: true, Offered: true},
	{ID: "vso.project", Group: "project-and-team", Level: "read", Offered: true},
	{ID: "vso.project_write", Group: "project-and-team", Level: "read-write", Implies: "vso.project", Offered: true},
	{ID: "vso.project_manage", Group: "project-and-team", Level: "read-write-manage", Implies: "vso.project_write", High: true, Offered: true},
	{ID: "vso.threads_full", Group: "pull-request-threads", Level: "read-write", Offered: true},
	{ID: "vso.release", Group: "release", Level: "read", Implies: "vso.profile", Offered: true},
	{ID: "vso.release_execute", Group: "release", Level: "read-write-execute", Implies: "vso.release", High: true, Offered: true},
	{ID: "vso.release_manage", Group: "release", Level: "read-write-execute-manage", Implies: "vso.release_execute", High: true, Offered: true},
	{ID: "vso.securefiles_read", Group: "secure-files", Level: "read", High: true, Offered: true},
	{ID: "vso.securefiles_write", Group: "secure-files", Level: "read-create", Implies: "vso.securefiles_read", High: true, Offered: true},
	{ID: "vso.securefiles_manage", Group: "secure-files", Level: "read-create-manage", Implies: "vso.securefiles_write", High: true, Offered: true},
	{ID: "vso.security_manage", Group: "security", Level: "manage", High: true, Offered: true},
	{ID: "vso.serviceendpoint", Group: "service-connections", Level: "read", Implies: "vso.profile", Offered: true},
	{ID: "vso.serviceendpoint_query", Group: "service-connections", Level: "read-query", Implies: "vso.serviceendpoint", Offered: true},
	{ID: "vso.serviceendpoint_manage", Group: "service-connections", Level: "read-query-manage", Implies: "vso.serviceendpoint_query", High: true, Offered: true},
	{ID: "vso.hooks", Group: "service-hooks", Level: "read", Implies: "vso.profile"},
	{ID: "vso.hooks_write", Group: "service-hooks", Level: "read-write", Implies: "vso.hooks"},
	{ID: "vso.hooks_interact", Group: "service-hooks", Level: "interact", Implies: "vso.profile"},
	{ID: "vso.settings", Group: "settings", Level: "read"},
	{ID: "vso.settings_write", Group: "settings", Level: "read-write", Implies: "vso.settings"},
	{ID: "vso.symbols", Group: "symbols", Level: "read", Implies: "vso.profile", Offered: true},
	{ID: "vso.symbols_write", Group: "symbols", Level: "read-write", Implies: "vso.symbols", Offered: true},
	{ID: "vso.symbols_manage", Group: "symbols", Level: "read-write-manage", Implies: "vso.symbols_write", Offered: true},
	{ID: "vso.taskgroups_read", Group: "task-groups", Level: "read", Offered: true},
	{ID: "vso.taskgroups_write", Group: "task-groups", Level: "read-create", Implies: "vso.taskgroups_read", Offered: true},
	{ID: "vso.taskgroups_manage", Group: "task-groups", Level: "read-create-manage", Implies: "vso.taskgroups_write", High: true, Offered: true},
	{ID: "vso.dashboards", Group: "team-dashboard", Level: "read", Offered: true},
	{ID: "vso.dashboards_manage", Group: "team-dashboard", Level: "read-manage", Implies: "vso.dashboards", Offered: true},
	{ID: "vso.test", Group: "test-management", Level: "read", Implies: "vso.profile", Offered: true},
	{ID: "vso.test_write", Group: "test-management", Level: "read-write", Implies: "vso.test", Offered: true},
	{ID: "vso.tokens", Group: "tokens", Level: "read-manage", High: true, Offered: true},
	{ID: "vso.tokenadministration", Group: "token-administration", Level: "read-manage", High: true, Offered: true},
	{ID: "vso.profile", Group: "user-profile", Level: "read", Offered: true},
	{ID: "vso.profile_write", Group: "user-profile", Level: "read-write", Implies: "vso.profile", Offered: true},
	{ID: "vso.variablegroups_read", Group: "variable-groups", Level: "read", Offered: true},
	{ID: "vso.variablegroups_write", Group: "variable-groups", Level: "read-create", Implies: "vso.variablegroups_read", Offered: true},
	{ID: "vso.variablegroups_manage", Group: "variable-groups", Level: "read-create-manage", Implies: "vso.variablegroups_write", High: true, Offered: true},
	{ID: "vso.wiki", Group: "wiki", Level: "read", Offered: true},
	{ID: "vso.wiki_write", Group: "wiki", Level: "read-write", Implies: "vso.wiki", Offered: true},
	{ID: "vso.work", Group: "work-items", Level: "read", Implies: "vso.hooks_write", Offered: true},
	{ID: "vso.work_write", Group: "work-items", Level: "read-write", Implies: "vso.work", Offered: true},
	{ID: "vso.work_full", Group: "work-items", Level: "read-write-manage", Implies: "vso.work_write", Offered: true},

	{ID: "vso.governance", Group: "component-governance", Level: "read"},
	{ID: "vso.governance_write", Group: "component-governance", Level: "read-write", Implies: "vso.governance"},
	{ID: "vso.governance_manage", Group: "component-governance", Level: "read-write-manage", Implies: "vso.governance_write"},
	{ID: "vso.drop", Group: "drop", Level: "read"},
	{ID: "vso.drop_write", Group: "drop", Level: "read-write", Implies: "vso.drop"},
	{ID: "vso.drop_manage", Group: "drop", Level: "read-write-manage", Implies: "vso.drop_write"},
	{ID: "vso.buildcache", Group: "build-cache", Level: "read"},
	{ID: "vso.buildcache_write", Group: "build-cache", Level: "read-write", Implies: "vso.buildcache"},
	{ID: "vso.codesearch", Group: "code-search", Level: "read"},
	{ID: "vso.workitemsearch", Group: "work-item-search", Level: "read"},
	{ID: "vso.features", Group: "features", Level: "read"},
	{ID: "vso.features_write", Group: "features", Level: "read-write", Implies: "vso.features"},
	{ID: "vso.msdnsubadmin", Group: "visual-studio-subscriptions", Level: "administer"},
	{ID: "vso.subscriptions", Group: "subscriptions", Level: "read"},
	{ID: "vso.loadtest", Group: "load-test", Level: "read"},
	{ID: "vso.loadtest_write", Group: "load-test", Level: "read-write", Implies: "vso.loadtest"},
	{ID: "preview_api_all", Group: "full-access", Level: "all-apis", High: true},
}

// groupTerms are the headings of Microsoft's token dialog, or what its documents call a group that isn't there.
var groupTerms = map[GroupID]string{
	"advanced-security":            "Advanced Security",
	"agent-pools":                  "Agent Pools",
	"analytics":                    "Analytics",
	"auditing":                     "Auditing",
	"build":                        "Build",
	"build-cache":                  "Build Cache",
	"code":                         "Code",
	"code-search":                  "Code Search",
	"component-governance":         "Component Governance",
	"connected-server":             "Connected Server",
	"deployment-groups":            "Deployment Groups",
	"drop":                         "Drop",
	"entitlements":                 "Entitlements",
	"environment":                  "Environment",
	"extension-data":               "Extension Data",
	"extensions":                   "Extensions",
	"features":                     "Features",
	"full-access":                  "Full access",
	"github-connections":           "GitHub Connections",
	"graph":                        "Graph",
	"identity":                     "Identity",
	"load-test":                    "Load Test",
	"marketplace":                  "Marketplace",
	"memberentitlement-management": "MemberEntitlement Management",
	"notifications":                "Notifications",
	"packaging":                    "Packaging",
	"pipeline-resources":           "Pipeline Resources",
	"project-and-team":             "Project and Team",
	"pull-request-threads":         "Pull Request Threads",
	"release":                      "Release",
	"secure-files":                 "Secure Files",
	"security":                     "Security",
	"service-connections":          "Service Connections",
	"service-hooks":                "Service Hooks",
	"settings":                     "Settings",
	"subscriptions":                "Subscriptions",
	"symbols":                      "Symbols",
	"task-groups":                  "Task Groups",
	"team-dashboard":               "Team Dashboard",
	"test-management":              "Test Management",
	"token-administration":         "Token Administration",
	"tokens":                       "Tokens",
	"user-profile":                 "User Profile",
	"variable-groups":              "Variable Groups",
	"visual-studio-subscriptions":  "Visual Studio Subscriptions",
	"wiki":                         "Wiki",
	"work-item-search":             "Work Item Search",
	"work-items":                   "Work Items",
}

// levelTerms are the levels within them.
var levelTerms = map[LevelID]string{
	"access-endpoints":          "Access endpoints",
	"acquire":                   "Acquire",
	"administer":                "Administer",
	"all-apis":                  "All APIs (deprecated)",
	"delete-streams":            "Delete Streams",
	"diagnostics":               "Diagnostics",
	"full":                      "Full",
	"interact":                  "Interact",
	"manage":                    "Manage",
	"manage-streams":            "Manage Streams",
	"publish":                   "Publish",
	"read":                      "Read",
	"read-audit-log":            "Read Audit Log",
	"read-create":               "Read & create",
	"read-create-manage":        "Read, create, & manage",
	"read-execute":              "Read & execute",
	"read-manage":               "Read & manage",
	"read-query":                "Read & query",
	"read-query-manage":         "Read, query, & manage",
	"read-write":                "Read & write",
	"read-write-execute":        "Read, write, & execute",
	"read-write-execute-manage": "Read, write, execute, & manage",
	"read-write-manage":         "Read, write, & manage",
	"status":                    "Status",
	"use":                       "Use",
	"use-manage":                "Use and manage",
}

// Preset is a named set of scopes for a common job: the least that does it.
type Preset struct {
	ID     string // for good: addresses name it, and so do the keys of messages
	Scopes []string
}

// Presets returns the presets in the order in which they are offered.
func Presets() []Preset {
	return []Preset{
		{"clone-and-push", []string{"vso.code_write"}},
		{"clone-only", []string{"vso.code"}},
		{"publish-packages", []string{"vso.packaging_write"}},
		{"restore-packages", []string{"vso.packaging"}},
		{"run-pipelines", []string{"vso.build_execute"}},
		{"deploy-releases", []string{"vso.release_execute"}},
		{"register-an-agent", []string{"vso.agentpools_manage"}},
		{"report-statuses", []string{"vso.code_status"}},
		{"edit-work-items", []string{"vso.work_write"}},
		{"read-only-reporting", []string{"vso.analytics"}},
		{"publish-marketplace-extensions", []string{"vso.gallery_manage"}},
	}
}
