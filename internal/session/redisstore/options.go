package redisstore

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// DefaultPrefix is what all keys begin with.
const DefaultPrefix = "patdesk:"

// Options says where Redis is: one server, a primary and its replicas that Sentinels watch, or a Cluster.
type Options struct {
	Addresses []string // host:port: of the server, of the Sentinels, or of some of the Cluster's servers
	Socket    string   // path of a Unix socket, in place of a single server's address
	Master    string   // the name that Sentinels know the primary by; "" without Sentinels
	Cluster   bool
	Database  int // of a Cluster 0

	Username, Password string
	// Credentials is asked for user and password of each new connection, in place of the fixed ones; nil: those. What it
	// returns should be good for longer than ConnLife.
	Credentials func(ctx context.Context) (user, password string, err error)
	ConnLife    time.Duration // of a connection, with Credentials; 0: 4 minutes

	SentinelUsername, SentinelPassword string
	TLS                                *tls.Config // nil: without

	Prefix  string   // "" = DefaultPrefix; without braces, which decide the slot of keys
	Confirm []string // kinds of records whose writes wait for a replica, where there is one

	Now func() time.Time // by which records expire; nil = time.Now
	Log *slog.Logger     // nil = slog.Default()
}

const (
	maxRetries      = 2 // of a call whose connection broke
	minRetryBackoff = 20 * time.Millisecond
	maxRetryBackoff = 250 * time.Millisecond
	noPipelinePool  = -1
	// connLife is how long a connection lives whose password ends: tokens of Entra ID are good for five minutes or more.
	connLife = 4 * time.Minute
	// idleTime closes connections before firewalls forget them.
	idleTime = 3 * time.Minute
)

// errNoCredentials is why there is no connection if Options.Credentials fails.
var errNoCredentials = errors.New("it can't be signed in to")

type credentials func(ctx context.Context) (user, password string, err error)

// credentials are o.Credentials with errors that FaultOf knows.
func (o Options) credentials() credentials {
	if o.Credentials == nil {
		return nil
	}
	return func(ctx context.Context) (user, password string, err error) {
		if user, password, err = o.Credentials(ctx); err != nil {
			err = fmt.Errorf("%w: %w", errNoCredentials, err)
		}
		return user, password, err
	}
}

// client makes the client for how Redis is run. Protocol 2 is all that is needed, and what every server and proxy speaks.
func (o Options) client() redis.UniversalClient {
	c := &redis.UniversalOptions{
		Addrs: o.Addresses, MasterName: o.Master, DB: o.Database,
		Username: o.Username, Password: o.Password, SentinelUsername: o.SentinelUsername, SentinelPassword: o.SentinelPassword,
		TLSConfig: o.TLS, Protocol: 2,
		ContextTimeoutEnabled: true, DialTimeout: netTimeout, ReadTimeout: netTimeout, WriteTimeout: netTimeout,
		PoolTimeout: netTimeout, DialerRetries: 1, MaxRetries: maxRetries, MinRetryBackoff: minRetryBackoff, MaxRetryBackoff: maxRetryBackoff,
		PoolSize: poolSize, MaxActiveConns: poolSize, PipelinePoolSize: noPipelinePool, ConnMaxIdleTime: idleTime,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if o.Credentials != nil {
		c.ConnMaxLifetime = cmp.Or(o.ConnLife, connLife)
		c.CredentialsProviderContext = o.credentials()
	}
	switch {
	case o.Cluster:
		return redis.NewClusterClient(c.Cluster())
	case o.Master != "":
		return redis.NewFailoverClient(c.Failover())
	}
	single := c.Simple()
	if o.Socket != "" {
		single.Network, single.Addr = "unix", o.Socket
	}
	return redis.NewClient(single)
}
