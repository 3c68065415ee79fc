package redisstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Fault says what has to be mended when Redis can't be used.
type Fault int

// Faults. All but Unreachable need an operator to change a setting, here or there; waiting won't help.
const (
	Unreachable  Fault = iota // it doesn't answer, is starting, or fails over
	Credentials               // user or password are wrong or missing
	Permissions               // the user may not do what is needed, or not on these keys
	Certificate               // its certificate isn't trusted, or it wants one from us
	IsCluster                 // it is part of a Cluster, and was taken for a single server
	NoCluster                 // it was taken for part of a Cluster
	ReadOnly                  // it is a replica
	NoDatabase                // it has no database of that number
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

var errIsCluster = errors.New("redisstore: it is part of a Cluster")

// Check tries Redis once. It returns why it can't be used, or whether it drops records that haven't expired when its
// memory is full.
func (s *Store) Check(ctx context.Context) (evicts bool, err error) {
	if err := s.Ping(ctx); err != nil {
		return false, err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	// One server of a Cluster takes those keys that happen to be its own.
	if s.cluster == nil && s.client.ClusterInfo(ctx).Err() == nil {
		return false, errIsCluster
	}
	policy := s.evictionPolicy(ctx)
	return policy != "" && policy != "noeviction", nil
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
