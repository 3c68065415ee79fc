package azuredevops

// Preset is a named set of scopes for a common job: the least that does it.
type Preset struct {
	ID, Name, Description string
	Scopes                []string
}

// Presets returns the presets in the order in which they are offered.
func Presets() []Preset {
	return []Preset{
		{"clone-and-push", "Clone and push", "Git over HTTPS, pull requests included", []string{"vso.code_write"}},
		{"clone-only", "Clone only", "Git over HTTPS without pushing", []string{"vso.code"}},
		{"publish-packages", "Publish packages", "Restore and publish with NuGet, npm, Maven, pip and others", []string{"vso.packaging_write"}},
		{"restore-packages", "Restore packages", "Download from feeds, publish nothing", []string{"vso.packaging"}},
		{"run-pipelines", "Run pipelines", "Queue builds and follow them", []string{"vso.build_execute"}},
		{"deploy-releases", "Deploy releases", "Start and follow classic releases", []string{"vso.release_execute"}},
		{"register-an-agent", "Register an agent", "Add a self-hosted agent to a pool; needed only while it is set up", []string{"vso.agentpools_manage"}},
		{"report-statuses", "Report statuses", "Set the status of commits and pull requests from another system", []string{"vso.code_status"}},
		{"edit-work-items", "Edit work items", "Read, create and change work items", []string{"vso.work_write"}},
		{"read-only-reporting", "Read-only reporting", "Power BI and OData queries over Analytics", []string{"vso.analytics"}},
		{"publish-marketplace-extensions", "Publish Marketplace extensions", "Upload and update extensions with vsce or tfx", []string{"vso.gallery_manage"}},
	}
}
