package config

// refuseUnavailable says of every setting whose part of patdesk doesn't exist yet that it can't be used. Passing over
// one in silence would be worse: an operator who asks for a metrics endpoint must not find nobody there.
func (s *source) refuseUnavailable() {
	for _, name := range []string{metricsAddress} {
		if s.raw(name) != "" {
			s.fault(name, "is not available in this version of patdesk", "Remove it.")
		}
	}
}
