package redisstore

import "time"

// Lease is how long a lock lasts that isn't renewed, and Renewals how often it is renewed in that time.
const (
	Lease    = lease
	Renewals = renewals
)

// WithLease makes s's locks last so long without being renewed, for tests that wait for it.
func WithLease(s *Store, lease time.Duration) *Store {
	s.lease = lease
	return s
}
