package config

import (
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Redis says where sessions are kept that several replicas share.
type Redis struct {
	Addresses []string // host:port: of the server, of the Sentinels, or of some of the Cluster's servers
	Socket    string   // path of a Unix socket, in place of Addresses
	Master    string   // what the Sentinels call the primary; "" without Sentinels
	Cluster   bool
	Database  int
	Prefix    string // of all keys; "" for the store's own

	Entra bool // the password is a token of Entra ID, for whatever identity this machine has; Username may be ""

	Username, SentinelUsername string
	Password, SentinelPassword Secret

	TLS               bool
	ServerName        string // that its certificate is for; "": the host that is called
	CAFile            string // PEM, of the authorities to trust; "": the system's
	CertFile, KeyFile string // PEM, for a server that wants a certificate from its clients; both or none
	NoWait            bool   // don't wait for a replica to confirm secrets
}

const (
	redisFix = "Put redis://host:6379 there, or rediss:// with TLS; docs/configuration.md has the forms for sockets, Sentinel and Cluster."

	redisPort, sentinelPort = "6379", "26379"
)

// readRedis reads REDIS_URL and REDIS_PASSWORD; nil if sessions aren't to be in Redis. Of the URL no fault shows more
// than names of parameters: it holds a password.
func readRedis(s *source, wanted bool) *Redis {
	address, password := s.secret(redisURL), s.secret(redisPassword)
	if !wanted {
		for _, name := range []string{redisURL, redisURL + fileSuffix, redisPassword, redisPassword + fileSuffix} {
			if s.raw(name) != "" && !s.faulty(sessionType) && !s.faulty(name) {
				s.fault(name, "is set, but "+sessionType+" isn't redis, so sessions would be kept in files", "Put "+sessionType+"=redis beside it, or remove it.")
			}
		}
		return nil
	}
	if !address.IsSet() {
		s.missing(redisURL, redisFix)
		return nil
	}
	u := cutRedisURL(s, address.Reveal())
	if u == nil {
		return nil
	}
	r := &Redis{TLS: strings.HasPrefix(u.scheme, "rediss"), Cluster: strings.HasSuffix(u.scheme, "+cluster")}
	r.Entra = u.query.Get("auth") == "entra"
	readRedisUser(s, r, u, password)
	readRedisPlace(s, r, u)
	readRedisOptions(s, r, u.query)
	adviseRedis(s, r)
	return r
}

// redisParts is a URL of Redis taken apart. net/url doesn't take several hosts.
type redisParts struct {
	scheme, user, password, hosts, path string
	query                               url.Values
}

var redisSchemes = []string{"redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"}

func cutRedisURL(s *source, text string) *redisParts {
	scheme, rest, _ := strings.Cut(text, "://")
	u := &redisParts{scheme: strings.ToLower(scheme)}
	if strings.HasPrefix(text, "unix:/") || strings.HasPrefix(text, "/") {
		u.scheme, rest = "unix", strings.TrimPrefix(strings.TrimPrefix(text, "unix:"), "//")
	}
	if !slices.Contains(redisSchemes, u.scheme) {
		s.fault(redisURL, "begins with none of "+strings.Join(redisSchemes, "://, ")+"://", redisFix)
		return nil
	}
	rest, query, _ := strings.Cut(rest, "?")
	end := strings.Index(rest, "/")
	if end < 0 {
		end = len(rest)
	}
	u.hosts, u.path = rest[:end], rest[end:]
	user := ""
	if at := strings.LastIndex(u.hosts, "@"); at >= 0 {
		user, u.hosts = u.hosts[:at], u.hosts[at+1:]
	}
	u.user, u.password, _ = strings.Cut(user, ":")
	s.hide(u.password)
	const encoded = `Write them as %2F, %3F, %23, %40 and %25, or put the password alone into ` + redisPassword + fileSuffix + "."
	var errs [3]error
	u.user, errs[0] = url.PathUnescape(u.user)
	u.password, errs[1] = url.PathUnescape(u.password)
	u.query, errs[2] = url.ParseQuery(query)
	s.hide(u.password)
	if slices.ContainsFunc(errs[:], func(err error) bool { return err != nil }) || strings.ContainsAny(u.path+query, "@#") {
		s.fault(redisURL, `has one of / ? # @ % in the user, the password or a parameter`, encoded)
		return nil
	}
	return u
}

func readRedisUser(s *source, r *Redis, u *redisParts, password Secret) {
	r.Username, r.Password = u.user, NewSecret(u.password)
	switch {
	case r.Entra && (r.Password.IsSet() || password.IsSet()):
		s.fault(redisURL, "has auth=entra beside a password, and the password would be a token", "Remove the password, or auth=entra.")
	case r.Entra:
	case r.Password.IsSet() && password.IsSet():
		s.fault(redisPassword, "is given twice: there is one in "+redisURL+", too", "Remove one of them.")
	case password.IsSet():
		r.Password = password
	case r.Username != "" && !r.Password.IsSet() && !s.faulty(redisPassword):
		s.fault(redisURL, "names a user without a password", "Put the password into "+redisPassword+fileSuffix+", or write user:password@. A password without a user is written :password@.")
	}
}

// readRedisPlace reads hosts and path, which is the database, or for Sentinels the primary's name and the database.
func readRedisPlace(s *source, r *Redis, u *redisParts) {
	if u.scheme == "unix" {
		if r.Socket = u.path; u.hosts != "" || len(u.path) < 2 {
			s.fault(redisURL, "names no socket", "Put unix:///run/redis/redis.sock there, with the socket's path after the two slashes.")
		}
		return
	}
	path := strings.Trim(u.path, "/")
	port := redisPort
	if strings.HasSuffix(u.scheme, "+sentinel") {
		port = sentinelPort
		if r.Master, path, _ = strings.Cut(path, "/"); r.Master == "" {
			s.fault(redisURL, "lacks the name by which the Sentinels know the primary", "Put it after the hosts: redis+sentinel://host1:26379,host2:26379/mymaster.")
		}
	}
	readRedisDatabase(s, r, path)
	hosts := strings.Split(u.hosts, ",")
	if len(hosts) > 1 && !strings.Contains(u.scheme, "+") {
		s.fault(redisURL, "has several hosts", "Put redis+sentinel:// or redis+cluster:// in front of them, whichever they are.")
	}
	for _, host := range hosts {
		address, ok := redisAddress(strings.TrimSpace(host), port)
		if !ok {
			s.fault(redisURL, "has a host that isn't a name or an address with a port", redisFix+" An IPv6 address needs brackets: redis://[::1]:6379.")
			return
		}
		r.Addresses = append(r.Addresses, address)
	}
}

func redisAddress(text, defaultPort string) (address string, ok bool) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"), defaultPort
	}
	return net.JoinHostPort(host, port), validHost(host) && validPort(port, 1)
}

func readRedisDatabase(s *source, r *Redis, text string) {
	if text == "" {
		return
	}
	n, err := strconv.ParseUint(text, 10, 16)
	switch {
	case err != nil:
		s.fault(redisURL, "has a database that isn't a number", "Databases of Redis are numbered: redis://host:6379/1.")
	case n != 0 && r.Cluster:
		s.fault(redisURL, "names a database of a Cluster, which has none but 0", "Leave it out.")
	}
	r.Database = int(n) // #nosec G115 -- 16 bits
}

func readRedisOptions(s *source, r *Redis, query url.Values) {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		value := query.Get(name)
		switch name {
		case "db":
			readRedisDatabase(s, r, value)
		case "prefix":
			if r.Prefix = value; strings.ContainsAny(value, "{}") {
				s.fault(redisURL, "has a prefix with braces, which a Cluster takes for something else", "Put plain letters there: prefix=patdesk:")
			}
		case "wait":
			yes, err := strconv.ParseBool(value)
			if r.NoWait = !yes; err != nil {
				s.fault(redisURL, "has a wait that is neither true nor false", "Leave it out, or put wait=false there.")
			}
		case "ca":
			r.CAFile = value
		case "auth":
			switch {
			case value != "entra":
				s.fault(redisURL, "has an auth that patdesk doesn't know", "Put auth=entra there for Azure Managed Redis, or leave it out.")
			case !r.TLS:
				s.fault(redisURL, "has auth=entra, but is without TLS, so that everybody on the way could read the token", "Put rediss:// there instead of redis://.")
			case r.Master != "":
				s.fault(redisURL, "has auth=entra, which Sentinels don't know", "Put rediss:// or rediss+cluster:// there.")
			}
		case "server_name":
			if r.ServerName = value; !validHost(value) {
				s.fault(redisURL, "has a server_name that isn't a host's name", "Put the name there that stands in the certificate of Redis.")
			} else if !r.TLS {
				s.fault(redisURL, "has a server_name, but is without TLS", "Put rediss:// there instead of redis://.")
			}
		case "cert":
			r.CertFile = value
		case "key":
			r.KeyFile = value
		case "sentinel_user":
			r.SentinelUsername = value
		case "sentinel_password":
			s.hide(value)
			r.SentinelPassword = NewSecret(value)
		default:
			s.fault(redisURL, "has a parameter that patdesk doesn't know", "Those it knows: auth, ca, cert, db, key, prefix, sentinel_password, sentinel_user, server_name, wait.")
		}
	}
	checkRedisFiles(s, r)
}

func checkRedisFiles(s *source, r *Redis) {
	files := []string{r.CAFile, r.CertFile, r.KeyFile}
	for _, file := range files {
		if file != "" && s.checkFile(redisURL, file) && !r.TLS {
			s.fault(redisURL, "names certificates, but is without TLS", "Put rediss:// there instead of redis://.")
		}
	}
	if (r.CertFile == "") != (r.KeyFile == "") {
		s.fault(redisURL, "has only one of cert and key", "A certificate needs its key, and the other way round.")
	}
}

// adviseRedis: what is kept is encrypted, but the password isn't, and who has it can delete sessions.
func adviseRedis(s *source, r *Redis) {
	for _, address := range r.Addresses {
		if host, _, err := net.SplitHostPort(address); err == nil && !r.TLS && !isLoopback(host) && !insideOneNetwork(host) {
			s.warn(redisURL, "it is without TLS: everybody on the way can read the password. rediss:// encrypts.")
			return
		}
	}
}

// insideOneNetwork reports whether a host goes by a name that only containers of one network know, such as those of
// Docker and Kubernetes: there a password doesn't leave what is theirs.
func insideOneNetwork(host string) bool {
	_, err := netip.ParseAddr(host)
	return err != nil && !strings.Contains(host, ".") || strings.HasSuffix(host, ".svc") || strings.HasSuffix(host, ".svc.cluster.local")
}
