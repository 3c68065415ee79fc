package config_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/config"
)

// withRedis are settings for sessions in Redis.
func withRedis(url string, more settings) settings {
	all := with(settings{"SESSION_TYPE": "redis", "SESSION_KEYS": aKey, "REDIS_URL": url})
	for name, value := range more {
		all[name] = value
	}
	return all
}

func TestRedisForms(t *testing.T) {
	ca, cert, key := write(t, "ca"), write(t, "cert"), write(t, "key")
	hush := config.NewSecret("hush/@:#")
	for url, want := range map[string]config.Redis{
		"redis://localhost":                           {Addresses: []string{"localhost:6379"}},
		"redis://127.0.0.1:7000/3":                    {Addresses: []string{"127.0.0.1:7000"}, Database: 3},
		"redis://[::1]":                               {Addresses: []string{"[::1]:6379"}},
		"redis://[::1]:7000/":                         {Addresses: []string{"[::1]:7000"}},
		"redis://:hush%2F%40%3A%23@r":                 {Addresses: []string{"r:6379"}, Password: hush},
		"rediss://pat:hush%2F%40:%23@r.example.com:1": {Addresses: []string{"r.example.com:1"}, Username: "pat", Password: hush, TLS: true},
		"REDISS://r?ca=" + ca + "&cert=" + cert + "&key=" + key: {
			Addresses: []string{"r:6379"}, TLS: true, CAFile: ca, CertFile: cert, KeyFile: key,
		},
		"redis://r?prefix=team:&wait=false&db=2": {Addresses: []string{"r:6379"}, Prefix: "team:", NoWait: true, Database: 2},
		"unix:///run/redis/redis.sock":           {Socket: "/run/redis/redis.sock"},
		"unix:/run/redis/redis.sock?db=1":        {Socket: "/run/redis/redis.sock", Database: 1},
		"/run/redis/redis.sock":                  {Socket: "/run/redis/redis.sock"},
		"unix://pat:hush%2f%40%3a%23@/s?db=1":    {Socket: "/s", Username: "pat", Password: hush, Database: 1},
		"redis+sentinel://a,b:7,c/mymaster":      {Addresses: []string{"a:26379", "b:7", "c:26379"}, Master: "mymaster"},
		"rediss+sentinel://:hush%2F@a/m/2?sentinel_user=s&sentinel_password=pw1234": {
			Addresses: []string{"a:26379"}, Master: "m", Database: 2, TLS: true, Password: config.NewSecret("hush/"),
			SentinelUsername: "s", SentinelPassword: config.NewSecret("pw1234"),
		},
		"rediss+cluster://10.0.0.1?server_name=redis.example.com": {
			Addresses: []string{"10.0.0.1:6379"}, Cluster: true, TLS: true, ServerName: "redis.example.com",
		},
		"rediss://r.example.com:10000?auth=entra": {Addresses: []string{"r.example.com:10000"}, TLS: true, Entra: true},
		"rediss+cluster://pat@r:10000?auth=entra&server_name=r": {
			Addresses: []string{"r:10000"}, Cluster: true, TLS: true, Entra: true, Username: "pat", ServerName: "r",
		},
		"redis+cluster://a:7000, b:7001":   {Addresses: []string{"a:7000", "b:7001"}, Cluster: true},
		"rediss+cluster://10.0.0.1,[::2]/": {Addresses: []string{"10.0.0.1:6379", "[::2]:6379"}, Cluster: true, TLS: true},
	} {
		got := good(t, withRedis(url, nil)).Redis
		if got == nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%s is\n%+v, want\n%+v", url, got, want)
		}
	}
}

func TestRedisPassword(t *testing.T) {
	for name, s := range map[string]settings{
		"value": {"REDIS_PASSWORD": "hush"}, "file": {"REDIS_PASSWORD_FILE": write(t, "hush\n")}, "URL in a file": {
			"REDIS_URL": "", "REDIS_URL_FILE": write(t, "redis://pat:hush@r\n"),
		},
	} {
		r := good(t, withRedis("redis://pat@r", s)).Redis
		if r.Username != "pat" || r.Password.Reveal() != "hush" {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestRedisFaults(t *testing.T) {
	for _, tt := range []struct {
		name    string
		set     settings
		setting string
		words   string
	}{
		{"no URL", settings{"SESSION_TYPE": "Redis"}, "REDIS_URL", "is not set"},
		{"no keys", settings{"SESSION_TYPE": "redis", "REDIS_URL": "redis://r"}, "SESSION_KEYS", "all replicas need the same"},
		{"files were asked for", settings{"REDIS_URL": "redis://u:hushhush@r"}, "REDIS_URL", "SESSION_TYPE isn't redis"},
		{"files were asked for, by file", settings{"REDIS_PASSWORD_FILE": write(t, "hush")}, "REDIS_PASSWORD_FILE", "SESSION_TYPE isn't redis"},
		{"no scheme", withRedis("r:6379", nil), "REDIS_URL", "begins with none of redis://, rediss://"},
		{"http", withRedis("http://r", nil), "REDIS_URL", "begins with none of"},
		{"no host", withRedis("redis://", nil), "REDIS_URL", "host"},
		{"bad host", withRedis("redis://-x-:6379", nil), "REDIS_URL", "host"},
		{"bad port", withRedis("redis://r:70000", nil), "REDIS_URL", "host"},
		{"several hosts", withRedis("redis://a,b", nil), "REDIS_URL", "redis+cluster://"},
		{"database by name", withRedis("redis://r/main", nil), "REDIS_URL", "database"},
		{"database of a Cluster", withRedis("redis+cluster://r/1", nil), "REDIS_URL", "none but 0"},
		{"Sentinels without a name", withRedis("redis+sentinel://r", nil), "REDIS_URL", "mymaster"},
		{"server's name without TLS", withRedis("redis://r?server_name=r.example.com", nil), "REDIS_URL", "without TLS"},
		{"server's name that is none", withRedis("rediss://r?server_name=https://r", nil), "REDIS_URL", "isn't a host's name"},
		{"socket without a path", withRedis("unix://", nil), "REDIS_URL", "socket"},
		{"socket with a host", withRedis("unix://run/redis.sock", nil), "REDIS_URL", "two slashes"},
		{"slash in the password", withRedis("redis://u:hush/hush@r", nil), "REDIS_URL", "%2F"},
		{"hash in the password", withRedis("redis://u:hush#hush@r/0#", nil), "REDIS_URL", "%23"},
		{"percent in the password", withRedis("redis://u:hush%hush@r", nil), "REDIS_URL", "%25"},
		{"user without password", withRedis("redis://u@r", nil), "REDIS_URL", ":password@"},
		{"password twice", withRedis("redis://u:hush@r", settings{"REDIS_PASSWORD": "other"}), "REDIS_PASSWORD", "given twice"},
		{"unknown parameter", withRedis("redis://r?tls=yes", nil), "REDIS_URL", "parameter"},
		{"wait", withRedis("redis://r?wait=some", nil), "REDIS_URL", "neither true nor false"},
		{"prefix", withRedis("redis://r?prefix={x}", nil), "REDIS_URL", "braces"},
		{"no CA file", withRedis("rediss://r?ca=/nonexistent/ca.pem", nil), "REDIS_URL", "/nonexistent/ca.pem"},
		{"CA without TLS", withRedis("redis://r?ca="+write(t, "x"), nil), "REDIS_URL", "rediss://"},
		{"unknown auth", withRedis("rediss://r?auth=iam", nil), "REDIS_URL", "has an auth that patdesk doesn't know"},
		{"Entra without TLS", withRedis("redis://r?auth=entra", nil), "REDIS_URL", "without TLS"},
		{"Entra with a password", withRedis("rediss://u:hushhush@r?auth=entra", nil), "REDIS_URL", "beside a password"},
		{"Entra with another password", withRedis("rediss://r?auth=entra", settings{"REDIS_PASSWORD": "hushhush"}), "REDIS_URL", "beside a password"},
		{"Entra with Sentinels", withRedis("rediss+sentinel://r/m?auth=entra", nil), "REDIS_URL", "Sentinels"},
		{"certificate without key", withRedis("rediss://r?cert="+write(t, "x"), nil), "REDIS_URL", "only one of"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, faults := load(t, with(tt.set))
			found := false
			for _, f := range faults {
				found = found || f.Setting == tt.setting && strings.Contains(f.Error(), tt.words)
			}
			if !found || len(faults) != 1 {
				t.Errorf("want one fault, of %s with %q:\n%v", tt.setting, tt.words, faults)
			}
			unprintedWord(t, faults, "hushhush")
		})
	}
}

func unprintedWord(t *testing.T, printed any, word string) {
	t.Helper()
	if strings.Contains(fmt.Sprintf("%v %+v %#v", printed, printed, printed), word) {
		t.Errorf("%q is shown: %v", word, printed)
	}
}

// However the URL is broken, neither it nor its password is shown.
func TestNoRedisFaultShowsASecret(t *testing.T) {
	for _, url := range []string{
		canary, "redis://" + canary, "redis://u:" + canary + "@-", "redis://u:" + canary + "/x@r", "redis://u:" + canary + "%zz@r",
		"redis+sentinel://:" + canary + "@r", "http://u:" + canary + "@r", "redis://r?sentinel_password=" + canary + "&x=1",
		"redis://r?" + canary + "=1", "redis://u:" + canary + "@r/x", "unix://u:" + canary + "@r",
	} {
		c, faults := load(t, withRedis(url, settings{"REDIS_PASSWORD": canary}))
		unprinted(t, url, faults.Error()+strings.Join(c.Warnings, "\n")+fmt.Sprintf("%v %+v", c.Redis, c))
	}
}

func TestRedisWithoutTLSIsWarnedOf(t *testing.T) {
	for url, want := range map[string]bool{
		"redis://localhost": false, "redis://127.0.0.1": false, "rediss://r.example.com": false, "unix:///s": false,
		"redis://r.example.com": true, "redis+sentinel://a.example.com/m": true, "redis://10.0.0.7": true, "redis://[fd00::7]": true,
		"redis://redis": false, "redis+sentinel://a/m": false, "redis://redis.team.svc": false, "redis://r.team.svc.cluster.local": false,
	} {
		warned := strings.Contains(strings.Join(good(t, withRedis(url, nil)).Warnings, "\n"), "REDIS_URL: it is without TLS")
		if warned != want {
			t.Errorf("%s: warned %v, want %v", url, warned, want)
		}
	}
}
