package config

// warnOfSystem warns of a system on which nothing is tested. docs/supported-systems.md has them.
func (s *source) warnOfSystem(goos string, c Config) {
	if goos == "linux" {
		return
	}
	s.warn(goos, "patdesk is built for this system and not tested on it: docs/supported-systems.md says what to expect.")
	if goos == "windows" && c.Redis == nil {
		s.warn(sessionDir, "patdesk can't see here who else may read "+c.SessionDir+": let only its own account at that folder.")
	}
}
