package redisstore

import "time"

// WithLease makes s's locks last so long without being renewed, for tests that wait for it.
func WithLease(s *Store, lease time.Duration) *Store {
	s.lease = lease
	return s
}
