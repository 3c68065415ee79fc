package redisstore

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Kind is how Redis is run.
type Kind int

// Kinds.
const (
	Single   Kind = iota // one server, or one address behind which another system takes care of it
	Sentinel             // a primary and its replicas, which Sentinels watch
	Cluster
)

// DefaultPrefix is what all keys begin with.
const DefaultPrefix = "patdesk:"

// Options says where Redis is.
type Options struct {
	Kind      Kind
	Addresses []string // host:port: of the server, of the Sentinels, or of some of the Cluster's servers
	Socket    string   // path of a Unix socket, for Single in place of Addresses
	Master    string   // the name that Sentinels know the primary by
	Database  int      // Single and Sentinel

	Username, Password                 string
	SentinelUsername, SentinelPassword string
	TLS                                *tls.Config // nil: without

	Prefix  string   // "" = DefaultPrefix
	Confirm []string // kinds of records whose writes wait for a replica, where there is one

	Now func() time.Time // by which records expire; nil = time.Now
	Log *slog.Logger     // nil = slog.Default()
}

func (o Options) prefix() string {
	if o.Prefix == "" {
		return DefaultPrefix
	}
	return o.Prefix
}

func (o Options) validate() error {
	var faults []error
	if len(o.Addresses) == 0 && o.Socket == "" {
		faults = append(faults, errors.New("redisstore: there is no address"))
	}
	if o.Kind == Single && len(o.Addresses) > 1 {
		faults = append(faults, errors.New("redisstore: a single server has one address"))
	}
	if o.Kind == Sentinel && o.Master == "" {
		faults = append(faults, errors.New("redisstore: Sentinels need the primary's name"))
	}
	if o.Kind == Cluster && o.Database != 0 {
		faults = append(faults, errors.New("redisstore: a Cluster has no database but 0"))
	}
	if strings.ContainsAny(o.prefix(), "{}") {
		faults = append(faults, errors.New("redisstore: braces in the prefix decide the slot of keys"))
	}
	return errors.Join(faults...)
}

const (
	maxRetries      = 2 // of a call whose connection broke
	minRetryBackoff = 20 * time.Millisecond
	maxRetryBackoff = 250 * time.Millisecond
	noPipelinePool  = -1
	// idleTime closes connections before firewalls forget them.
	idleTime = 3 * time.Minute
)

// single, sentinel and cluster are the same settings for three kinds of client. Protocol 2 is all that is needed, and
// what every server and proxy speaks.
func (o Options) single() *redis.Options {
	c := &redis.Options{
		Network: "tcp", Username: o.Username, Password: o.Password, DB: o.Database, TLSConfig: o.TLS, Protocol: 2,
		ContextTimeoutEnabled: true, DialTimeout: netTimeout, ReadTimeout: netTimeout, WriteTimeout: netTimeout,
		PoolTimeout: netTimeout, DialerRetries: 1, MaxRetries: maxRetries, MinRetryBackoff: minRetryBackoff, MaxRetryBackoff: maxRetryBackoff,
		PoolSize: poolSize, MaxActiveConns: poolSize, PipelinePoolSize: noPipelinePool, ConnMaxIdleTime: idleTime,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if o.Socket != "" {
		c.Network, c.Addr = "unix", o.Socket
	} else {
		c.Addr = o.Addresses[0]
	}
	return c
}

func (o Options) sentinel() *redis.FailoverOptions {
	return &redis.FailoverOptions{
		MasterName: o.Master, SentinelAddrs: o.Addresses, SentinelUsername: o.SentinelUsername, SentinelPassword: o.SentinelPassword,
		Username: o.Username, Password: o.Password, DB: o.Database, TLSConfig: o.TLS, Protocol: 2,
		ContextTimeoutEnabled: true, DialTimeout: netTimeout, ReadTimeout: netTimeout, WriteTimeout: netTimeout,
		PoolTimeout: netTimeout, DialerRetries: 1, MaxRetries: maxRetries, MinRetryBackoff: minRetryBackoff, MaxRetryBackoff: maxRetryBackoff,
		PoolSize: poolSize, MaxActiveConns: poolSize, PipelinePoolSize: noPipelinePool, ConnMaxIdleTime: idleTime,
		DisableIdentity: true,
	}
}

func (o Options) cluster() *redis.ClusterOptions {
	return &redis.ClusterOptions{
		Addrs: o.Addresses, Username: o.Username, Password: o.Password, TLSConfig: o.TLS, Protocol: 2,
		ContextTimeoutEnabled: true, DialTimeout: netTimeout, ReadTimeout: netTimeout, WriteTimeout: netTimeout,
		PoolTimeout: netTimeout, DialerRetries: 1, MaxRetries: maxRetries, MinRetryBackoff: minRetryBackoff, MaxRetryBackoff: maxRetryBackoff,
		PoolSize: poolSize, MaxActiveConns: poolSize, PipelinePoolSize: noPipelinePool, ConnMaxIdleTime: idleTime,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}
