// Package backing opens what the settings name for patdesk to stand on: the store of its sessions and the credential
// with which it proves to Entra ID which app it is. The program and -check do that in the same way, and word what is
// wrong with it in the same words.
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
	"strings"
	"syscall"
	"time"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/internal/azuretoken"
	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
	"github.com/patdesk/patdesk/internal/session/redisstore"
)

// OpenStore opens where sessions are kept, with the keys for them. An error that starting again wouldn't mend is a
// config.Fault.
func OpenStore(ctx context.Context, cfg config.Config, now func() time.Time, log *slog.Logger) (session.Backend, [][]byte, error) {
	if cfg.Redis != nil {
		backend, err := openRedis(ctx, *cfg.Redis, now, log)
		return backend, cfg.Keys(), err
	}
	open := session.OpenDir
	if cfg.SessionDirGroup {
		open = session.OpenGroupDir
	}
	backend, err := open(cfg.SessionDir, now)
	keys := cfg.Keys()
	if err == nil && keys == nil {
		keys, err = session.LoadOrCreateKeys(cfg.SessionDir)
	}
	if err != nil {
		return nil, nil, folderFault(err, cfg.SessionDirGroup)
	}
	return backend, keys, nil
}

// folderFault words why the folder can't be used. A disk that is full or fails isn't the setting's fault.
func folderFault(err error, group bool) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EMFILE) {
		return fmt.Errorf("SESSION_DIR: %w", err)
	}
	return config.Fault{
		Setting: "SESSION_DIR", Problem: "can't be used: " + strings.TrimPrefix(err.Error(), "session: "),
		Fix: FolderAdvice(err, group),
	}
}

// FolderAdvice is what the operator should make of a folder that is refused; group is SESSION_DIR_GROUP.
func FolderAdvice(err error, group bool) string {
	if group {
		return "With SESSION_DIR_GROUP=true it must be a folder that patdesk's user or group can write and nobody else can enter (mode 0770); a mount with fixed modes takes dir_mode=0770,file_mode=0660."
	}
	const own = "It must be a folder on a local disk, of the user that runs patdesk, and closed to others (mode 0700)."
	if errors.Is(err, session.ErrGroupFolder) {
		return own + " Where it can't be, and everybody in its group may use it: SESSION_DIR_GROUP=true."
	}
	return own
}

// redisFault words why Redis can't be used as the settings have it.
func redisFault(problem, fix string) config.Fault {
	return config.Fault{Setting: "REDIS_URL", Problem: problem, Fix: fix}
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
	warnings, err := store.Check(ctx)
	fault := redisstore.FaultOf(err)
	switch {
	case err == nil:
	case fault == redisstore.Unreachable, fault == redisstore.ReadOnly, fault == redisstore.NoToken:
		log.Warn("Redis can't be used yet. patdesk isn't ready until it can", "advice", RedisAdvice(r, err), "error", err)
	default:
		_ = store.Close() // nothing was written
		return nil, redisFault("leads to a Redis that can't be used: "+err.Error(), RedisAdvice(r, err)+".")
	}
	for _, warning := range warnings {
		log.Warn(RedisWarnings[warning])
	}
	return store, nil
}

// RedisAdvice is what the operator should look at, by what is wrong.
func RedisAdvice(r config.Redis, err error) string {
	fault := redisstore.FaultOf(err)
	if fault == redisstore.Credentials && r.Entra {
		return "It refuses the token of Entra ID: give the identity an access policy of that Redis, by its object id; a user in REDIS_URL must be that id. " +
			"A new one works after some minutes"
	}
	return redisAdvice[fault]
}

var redisAdvice = map[redisstore.Fault]string{
	redisstore.Unreachable: "Look if it runs, and if host, port and TLS (rediss://) in REDIS_URL are right",
	redisstore.Credentials: "It refuses user and password: mend them in REDIS_URL, or in REDIS_PASSWORD or REDIS_PASSWORD_FILE",
	redisstore.NoToken: "Give this machine a managed or workload identity, or sign in with \"az login\"; AZURE_CLIENT_ID says which of several. " +
		"Look if what gives out its tokens can be reached: docs/redis.md, \"Azure Managed Redis with Entra ID\"",
	redisstore.Permissions: `Its user lacks a right: docs/redis.md, has the ACL that patdesk needs. The prefix in REDIS_URL must be the one of the ACL`,
	redisstore.Certificate: "TLS fails: name the authority of its certificate with ?ca=file in REDIS_URL, and if it demands one from patdesk, &cert=file&key=file. " +
		"Where servers are named by addresses and certificates by names, as in some Clusters, add &server_name=name",
	redisstore.IsCluster:    "It is part of a Cluster: put redis+cluster:// into REDIS_URL",
	redisstore.NoCluster:    "It isn't part of a Cluster: put redis:// or rediss:// into REDIS_URL",
	redisstore.ReadOnly:     "It is a replica: REDIS_URL must name the primary, or the Sentinels that know it",
	redisstore.NoDatabase:   "It has no database of the number in REDIS_URL",
	redisstore.NoSuchMaster: "The Sentinels know no primary of the name in REDIS_URL",
}

// RedisWarnings are what the operator should know of a Redis that can be used.
var RedisWarnings = map[redisstore.Warning]string{
	redisstore.Evicts: "Redis drops records when its memory is full, secrets that nobody has seen yet among them. " +
		"Give it maxmemory-policy noeviction: then it refuses new ones, and patdesk can say so",
	redisstore.Unconfirmed: "Redis has replicas, or doesn't say whether it has, and lets patdesk not use WAIT: secrets that were just made, and claims of forms, " +
		"may be lost in a failover. Give its user the right to WAIT and INFO. Where there is no WAIT, wait=false in REDIS_URL says that this is known",
}

// redisScope is what a token has to be for
// (https://learn.microsoft.com/azure/redis/entra-for-authentication#microsoft-entra-client-workflow).
const redisScope = "https://redis.azure.com/.default"

// RedisOptions is what the settings say of Redis. An error is a config.Fault.
func RedisOptions(r config.Redis) (redisstore.Options, error) {
	o := redisstore.Options{
		Addresses: r.Addresses, Socket: r.Socket, Master: r.Master, Cluster: r.Cluster, Database: r.Database, Prefix: r.Prefix,
		Username: r.Username, Password: r.Password.Reveal(),
		SentinelUsername: r.SentinelUsername, SentinelPassword: r.SentinelPassword.Reveal(),
	}
	if r.Entra {
		tokens, err := azuretoken.New(redisScope)
		if err != nil {
			return o, redisFault("has auth=entra, but "+err.Error(), "AZURE_TOKEN_CREDENTIALS must be one of the SDK's values, or unset.")
		}
		o.Credentials = func(ctx context.Context) (user, password string, err error) { return tokens.Password(ctx, r.Username) }
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
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: r.ServerName}
	if r.CAFile != "" {
		content, err := os.ReadFile(r.CAFile)
		if err != nil {
			return nil, redisFault("names a file in ca that can't be read: "+err.Error(), "Let the user that runs patdesk read it.")
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(content) {
			return nil, redisFault("names a file in ca that holds no certificate in PEM", "A certificate in DER is made PEM by: openssl x509 -inform der -in ca.cer -out ca.pem.")
		}
	}
	if r.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(r.CertFile, r.KeyFile)
		if err != nil {
			return nil, redisFault("names files in cert and key that can't be used: "+strings.TrimPrefix(err.Error(), "tls: "), "Put a certificate and its own key there, each in PEM, the key not encrypted.")
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
