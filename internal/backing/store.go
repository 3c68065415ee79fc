package backing

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/session/redisstore"
)

// OpenStore opens where sessions are kept, with the keys for them.
func OpenStore(ctx context.Context, cfg config.Config, now func() time.Time, log *slog.Logger) (session.Backend, [][]byte, error) {
	if cfg.Redis != nil {
		backend, err := openRedis(ctx, *cfg.Redis, now, log)
		return backend, cfg.Keys(), err
	}
	backend, err := session.OpenDir(cfg.SessionDir, now)
	keys := cfg.Keys()
	if err == nil && keys == nil {
		keys, err = session.LoadOrCreateKeys(cfg.SessionDir)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("SESSION_DIR: %w", err)
	}
	return backend, keys, nil
}

// openRedis fails for what an operator has to mend. An unreachable Redis is only a warning: it may be starting too, or
// failing over, and /readyz says no until it is there.
func openRedis(ctx context.Context, r config.Redis, now func() time.Time, log *slog.Logger) (session.Backend, error) {
	o, err := RedisOptions(r)
	if err != nil {
		return nil, err
	}
	o.Now, o.Log = now, log
	store := redisstore.Open(o)
	evicts, err := store.Check(ctx)
	fault := redisstore.FaultOf(err)
	switch {
	case err == nil:
	case fault == redisstore.Unreachable, fault == redisstore.ReadOnly:
		log.Warn("Redis can't be used yet. patdesk isn't ready until it can", "advice", RedisAdvice[fault], "error", err)
	default:
		return nil, errors.Join(fmt.Errorf("REDIS_URL: Redis can't be used. %s: %w", RedisAdvice[fault], err), store.Close())
	}
	if evicts {
		log.Warn(RedisEvicts)
	}
	return store, nil
}

// RedisAdvice is what the operator should look at, by what is wrong.
var RedisAdvice = map[redisstore.Fault]string{
	redisstore.Unreachable:  "Look if it runs, and if host, port and TLS (rediss://) in REDIS_URL are right",
	redisstore.Credentials:  "It refuses user and password: mend them in REDIS_URL, or in REDIS_PASSWORD or REDIS_PASSWORD_FILE",
	redisstore.Permissions:  `Its user lacks a right: docs/operations.md, "Redis", has the ACL that patdesk needs. The prefix in REDIS_URL must be the one of the ACL`,
	redisstore.Certificate:  "TLS fails: name the authority of its certificate with ?ca=file in REDIS_URL, and if it demands one from patdesk, &cert=file&key=file",
	redisstore.IsCluster:    "It is part of a Cluster: put redis+cluster:// into REDIS_URL",
	redisstore.NoCluster:    "It isn't part of a Cluster: put redis:// or rediss:// into REDIS_URL",
	redisstore.ReadOnly:     "It is a replica: REDIS_URL must name the primary, or the Sentinels that know it",
	redisstore.NoDatabase:   "It has no database of the number in REDIS_URL",
	redisstore.NoSuchMaster: "The Sentinels know no primary of the name in REDIS_URL",
}

// RedisEvicts is what the operator should know of a Redis that can be used and drops records.
const RedisEvicts = "Redis drops records when its memory is full, secrets that nobody has seen yet among them. " +
	"Give it maxmemory-policy noeviction: then it refuses new ones, and patdesk can say so"

// RedisOptions is what the settings say of Redis. Errors name the setting.
func RedisOptions(r config.Redis) (redisstore.Options, error) {
	o := redisstore.Options{
		Addresses: r.Addresses, Socket: r.Socket, Master: r.Master, Cluster: r.Cluster, Database: r.Database, Prefix: r.Prefix,
		Username: r.Username, Password: r.Password.Reveal(),
		SentinelUsername: r.SentinelUsername, SentinelPassword: r.SentinelPassword.Reveal(),
	}
	if !r.NoWait {
		o.Confirm = slices.Concat(operation.DurableKinds(), batch.DurableKinds())
	}
	var err error
	if r.TLS {
		o.TLS, err = redisTLS(r)
	}
	return o, err
}

func redisTLS(r config.Redis) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if r.CAFile != "" {
		content, err := os.ReadFile(r.CAFile)
		if err != nil {
			return nil, fmt.Errorf("REDIS_URL: the file of ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(content) {
			return nil, errors.New("REDIS_URL: the file of ca holds no certificate in PEM")
		}
	}
	if r.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(r.CertFile, r.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("REDIS_URL: the files of cert and key: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
