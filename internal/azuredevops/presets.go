package azuredevops

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
