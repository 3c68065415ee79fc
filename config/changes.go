package config

import "reflect"

// Restart names the settings in which c differs from old and that a running patdesk can't take over.
func (c Config) Restart(old Config) []string {
	var names []string
	for _, s := range Settings() {
		if s.fixed != nil && !reflect.DeepEqual(s.fixed(&c), s.fixed(&old)) {
			names = append(names, s.Name)
		}
	}
	return names
}
