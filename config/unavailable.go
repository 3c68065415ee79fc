package config

import "strings"

// refuseUnavailable says of every setting whose part of patdesk doesn't exist yet that it can't be used. Passing over
// one in silence would be worse: an operator who asks for Redis must not get files on one machine.
func (s *source) refuseUnavailable() {
	s.hide(s.raw(redisURL))
	for _, name := range []string{redisURL, redisURL + fileSuffix, metricsAddress} {
		if s.raw(name) != "" {
			s.fault(name, "is not available in this version of patdesk", "Remove it.")
		}
	}
	if strings.EqualFold(s.raw(sessionType), "redis") {
		s.fault(sessionType, "is redis, which is not available in this version of patdesk",
			`Put "filesystem", or remove it.`)
	}
}
