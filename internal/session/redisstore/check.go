package redisstore

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Fault says what has to be mended when Redis can't be used.
type Fault int

// Faults. All but Unreachable, and sometimes NoToken, need an operator to change a setting, here or there; waiting won't help.
const (
	Unreachable  Fault = iota // it doesn't answer, is starting, or fails over
	Credentials               // user or password are wrong or missing
	Permissions               // the user may not do what is needed, or not on these keys
	Certificate               // its certificate isn't trusted, or it wants one from us
	IsCluster                 // it is part of a Cluster, and was taken for a single server
	NoCluster                 // it was taken for part of a Cluster
	ReadOnly                  // it is a replica
	NoDatabase                // it has no database of that number
	NoToken                   // Options.Credentials failed
	NoSuchMaster              // the Sentinels watch no primary of that name
)

// FaultOf says what stands behind an error of a Store.
func FaultOf(err error) Fault {
	for _, known := range []struct {
		prefix string
		fault  Fault
	}{
		{"WRONGPASS", Credentials},
		{"NOAUTH", Credentials},
		{"AUTH ", Credentials}, // called without any password configured
		{"NOPERM", Permissions},
		{"MOVED", IsCluster},
		{"This instance has cluster support disabled", NoCluster},
		{"READONLY", ReadOnly},
		{"DB index is out of range", NoDatabase},
		{"invalid DB index", NoDatabase},
	} {
		if redis.HasErrorPrefix(err, known.prefix) {
			return known.fault
		}
	}
	var notTrusted *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var alert tls.AlertError
	switch {
	case err == nil:
		return Unreachable
	case errors.Is(err, errNoCredentials):
		return NoToken
	case errors.Is(err, errIsCluster):
		return IsCluster
	case strings.Contains(err.Error(), "The user executing the script"), strings.Contains(err.Error(), "ACL failure in script"):
		return Permissions // Redis 7.0, and later: what a script may not do is no NOPERM
	case errors.As(err, &notTrusted), errors.As(err, &unknown), errors.As(err, &alert), strings.Contains(err.Error(), "remote error: tls:"):
		return Certificate
	case errors.Is(err, redis.Nil), strings.Contains(err.Error(), "redis: nil"):
		return NoSuchMaster
	}
	return Unreachable
}

// Warning is something that works and isn't as it should be.
type Warning int

// Warnings.
const (
	Evicts      Warning = iota // Redis drops records that haven't expired when its memory is full
	Unconfirmed                // it has replicas, or may have some, and lets nobody wait for them
)

var errIsCluster = errors.New("redisstore: it is part of a Cluster")

// Check tries Redis once. It returns why it can't be used, or what to think about. The first credentials have more time
// than those of a call.
func (s *Store) Check(ctx context.Context) ([]Warning, error) {
	if s.credentials != nil {
		if _, _, err := s.credentials(ctx); err != nil {
			return nil, failed(err)
		}
	}
	if err := s.Ping(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	if s.cluster == nil && s.sendsElsewhere(ctx) {
		return nil, errIsCluster
	}
	var warnings []Warning
	if policy := s.evictionPolicy(ctx); policy != "" && policy != "noeviction" {
		warnings = append(warnings, Evicts)
	}
	if len(s.confirm) > 0 && s.neverConfirms(ctx) {
		warnings = append(warnings, Unconfirmed)
	}
	return warnings, nil
}

// sendsElsewhere reports whether the server is one of several of a Cluster, which takes those keys that happen to be its
// own. That a server knows about Clusters says nothing: one that has all slots, and services and proxies that have many
// servers behind one address, answer for every key.
func (s *Store) sendsElsewhere(ctx context.Context) bool {
	const keys = 64 // all of them on one of two servers: once in 10^19 times
	if s.client.ClusterInfo(ctx).Err() != nil {
		return false
	}
	answers, _ := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for range keys {
			p.Get(ctx, s.prefix+"slot:"+rand.Text())
		}
		return nil
	}) // each answer has its own error
	return slices.ContainsFunc(answers, func(a redis.Cmder) bool { return redis.HasErrorPrefix(a.Err(), "MOVED") })
}

// neverConfirms reports whether the server refuses WAIT although it has replicas, or doesn't let us know if it has any.
func (s *Store) neverConfirms(ctx context.Context) bool {
	node, err := s.server(ctx, s.prefix)
	if err != nil {
		return false
	}
	info, err := node.Info(ctx, "replication").Result()
	if err == nil && !strings.Contains(info, ",state=online,") {
		return false
	}
	return refusesWait(node.Do(ctx, "WAIT", 0, 1).Err())
}

// evictionPolicy is what Redis does when its memory is full; "" if the user may not know it, which goes for all without
// @dangerous.
func (s *Store) evictionPolicy(ctx context.Context) string {
	node, err := s.server(ctx, s.prefix)
	if err != nil {
		return ""
	}
	info, err := node.Info(ctx, "memory").Result()
	if err != nil {
		return ""
	}
	for line := range strings.Lines(info) {
		if policy, ok := strings.CutPrefix(strings.TrimSpace(line), "maxmemory_policy:"); ok {
			return policy
		}
	}
	return ""
}
