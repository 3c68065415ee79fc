package simulator

import (
	"slices"
	"strings"
)

const fullAccess = "app_token"

// knownScopes are those that the API takes for a personal access token. See
// https://learn.microsoft.com/azure/devops/integrate/get-started/authentication/oauth#scopes.
var knownScopes = strings.Fields(`
app_token
vso.advsec vso.advsec_write vso.advsec_manage
vso.agentpools vso.agentpools_manage
vso.analytics
vso.auditlog vso.auditstreams_manage vso.auditstreams_delete
vso.build vso.build_execute
vso.buildcache vso.buildcache_write
vso.code vso.code_write vso.code_manage vso.code_full vso.code_status
vso.codesearch
vso.connected_server
vso.dashboards vso.dashboards_manage
vso.drop vso.drop_write vso.drop_manage
vso.entitlements
vso.environment_manage
vso.extension vso.extension_manage vso.extension.data vso.extension.data_write
vso.features vso.features_write
vso.gallery vso.gallery_acquire vso.gallery_publish vso.gallery_manage
vso.githubconnections vso.githubconnections_manage
vso.governance vso.governance_write vso.governance_manage
vso.graph vso.graph_manage
vso.identity vso.identity_manage
vso.machinegroup_manage
vso.memberentitlementmanagement vso.memberentitlementmanagement_write
vso.notification vso.notification_write vso.notification_manage vso.notification_diagnostics
vso.packaging vso.packaging_write vso.packaging_manage
vso.pipelineresources_use vso.pipelineresources_manage
vso.profile vso.profile_write
vso.project vso.project_write vso.project_manage
vso.release vso.release_execute vso.release_manage
vso.securefiles_read vso.securefiles_write vso.securefiles_manage
vso.security_manage
vso.serviceendpoint vso.serviceendpoint_query vso.serviceendpoint_manage
vso.settings vso.settings_write
vso.symbols vso.symbols_write vso.symbols_manage
vso.taskgroups_read vso.taskgroups_write vso.taskgroups_manage
vso.test vso.test_write
vso.threads_full
vso.tokenadministration vso.tokens
vso.variablegroups_read vso.variablegroups_write vso.variablegroups_manage
vso.wiki vso.wiki_write
vso.work vso.work_write vso.work_full
vso.workitemsearch
`)

// validScope: known scopes, one space between them, none twice, and Full access only alone.
func validScope(scope string) bool {
	parts := strings.Split(scope, " ")
	for i, p := range parts {
		if !slices.Contains(knownScopes, p) || slices.Contains(parts[:i], p) {
			return false
		}
	}
	return len(parts) == 1 || !slices.Contains(parts, fullAccess)
}
