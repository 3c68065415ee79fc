package proxytest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// examples are the files in deploy/proxy, at the root and below a sub-path.
var examples = map[string][2]string{
	"nginx":   {"nginx.conf", "nginx-subpath.conf"},
	"caddy":   {"Caddyfile", "Caddyfile-subpath"},
	"apache2": {"apache.conf", "apache-subpath.conf"},
	"haproxy": {"haproxy.cfg", "haproxy-subpath.cfg"},
	"traefik": {"traefik.yaml", "traefik-subpath.yaml"},
}

// prepare writes the proxy's files and returns its command line.
func (p *Proxy) prepare() []string {
	switch p.Program {
	case "nginx":
		return prepareNginx(p)
	case "caddy":
		return prepareCaddy(p)
	case "apache2":
		return prepareApache(p)
	case "haproxy":
		return prepareHAProxy(p)
	default:
		return prepareTraefik(p)
	}
}

// change replaces what stands in an example. What isn't there any more is a fault of the test, or of the example.
type change struct{ from, to string }

// render is the example with these changes.
func (p *Proxy) render(changes ...change) string {
	p.tb.Helper()
	name := examples[p.Program][0]
	if p.Subpath {
		name = examples[p.Program][1]
	}
	content, err := os.ReadFile(filepath.Join(p.Folder, name))
	if err != nil {
		p.tb.Fatal(err)
	}
	text := string(content)
	for _, c := range changes {
		if !strings.Contains(text, c.from) {
			p.tb.Fatalf("%s doesn't have %q", name, c.from)
		}
		text = strings.ReplaceAll(text, c.from, c.to)
	}
	return text
}

// oneFor repeats a line for each patdesk. The format's first verb is its number, the second its address.
func (p *Proxy) oneFor(format string) string {
	var lines strings.Builder
	for i, backend := range p.Backends {
		fmt.Fprintf(&lines, format, i, backend)
	}
	return lines.String()
}

// when is changes under a condition.
func when(condition bool, changes ...change) []change {
	if condition {
		return changes
	}
	return nil
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address) // of a listener: it has one
	return port
}

// asRoot reports whether the proxy drops its rights, and has to be configured with a user.
func asRoot() bool { return os.Geteuid() == 0 }

func prepareNginx(p *Proxy) []string {
	listen6 := ""
	if p.IPv6 != "" {
		listen6 = "listen " + p.IPv6 + " ssl http2;"
	}
	changes := []change{
		{"server 127.0.0.1:5000;", p.oneFor("server %[2]s; # %[1]d\n")},
		{"listen [::]:443 ssl http2;", listen6}, {"listen 443 ssl http2;", "listen " + p.HTTPS + " ssl http2;"},
		{"/etc/ssl/patdesk/fullchain.pem", p.write("chain.pem", authority().chain)}, {"/etc/ssl/patdesk/privkey.pem", p.write("key.pem", authority().key)},
	}
	changes = append(changes, when(!p.Subpath, change{"listen 80;", "listen " + p.HTTP + ";"}, change{"listen [::]:80;", ""})...)
	changes = append(changes, when(p.Strip, change{"proxy_pass http://patdesk;", "proxy_pass http://patdesk/;"})...)
	changes = append(changes, when(p.Inner, change{"$remote_addr", "$proxy_add_x_forwarded_for"})...)
	p.write("site.conf", p.render(changes...))
	main := "daemon off;\npid nginx.pid;\nworker_processes 1;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\ninclude site.conf;\n" +
		"client_body_temp_path body;\nproxy_temp_path proxy;\nfastcgi_temp_path fastcgi;\nuwsgi_temp_path uwsgi;\nscgi_temp_path scgi;\n}\n"
	if asRoot() {
		main = "user root;\n" + main // it writes into its folder
	}
	return []string{"-p", p.dir, "-e", "stderr", "-c", p.write("main.conf", main)}
}

func prepareCaddy(p *Proxy) []string {
	site := fmt.Sprintf("https://%s:%s {\n\tbind 127.0.0.1", p.Host(), portOf(p.HTTPS))
	if p.IPv6 != "" { // Caddy listens on one port for both
		p.IPv6 = net.JoinHostPort("::1", portOf(p.HTTPS))
		site += " ::1"
	}
	changes := []change{
		{p.Host() + " {", site + fmt.Sprintf("\n\ttls %s %s", p.write("chain.pem", authority().chain), p.write("key.pem", authority().key))},
		{"reverse_proxy 127.0.0.1:5000 {", "reverse_proxy " + p.oneFor("%[2]s ") + "{"},
	}
	changes = append(changes, when(p.Strip, change{"handle /pat/*", "handle_path /pat/*"})...)
	changes = append(changes, when(p.Inner, change{"flush_interval -1", "flush_interval -1\n\ttrusted_proxies 127.0.0.1"})...)
	global := "{\n\tadmin off\n\thttp_port " + portOf(p.HTTP) + "\n\tdefault_bind 127.0.0.1\n\tlog {\n\t\tlevel WARN\n\t}\n}\n"
	return []string{"run", "--adapter", "caddyfile", "--config", p.write("Caddyfile", global+p.render(changes...))}
}

// apacheModules are what the examples need, and what Debian's own configuration loads besides.
var apacheModules = []string{"mpm_event", "authz_core", "alias", "env", "headers", "proxy", "proxy_http", "socache_shmcb", "ssl", "unique_id"}

func prepareApache(p *Proxy) []string {
	var main strings.Builder
	fmt.Fprintf(&main, "ServerRoot %s\nServerName localhost\nPidFile httpd.pid\nErrorLog /dev/stderr\nDefaultRuntimeDir %[1]s\nStartServers 1\n", p.dir)
	for _, name := range apacheModules {
		fmt.Fprintf(&main, "<IfModule !%s_module>\nLoadModule %[1]s_module %s/mod_%[1]s.so\n</IfModule>\n", name, apacheFolder())
	}
	if asRoot() {
		main.WriteString("User www-data\nGroup www-data\n")
	}
	https := "<VirtualHost " + p.HTTPS
	fmt.Fprintf(&main, "Listen %s\n", p.HTTPS)
	if p.IPv6 != "" {
		fmt.Fprintf(&main, "Listen %s\n", p.IPv6)
		https += " " + p.IPv6
	}
	if !p.Subpath {
		fmt.Fprintf(&main, "Listen %s\n", p.HTTP)
	}
	changes := []change{
		{"<VirtualHost *:443>", https + ">"}, {"http://127.0.0.1:5000", "http://" + p.Backends[0]},
		{"/etc/ssl/patdesk/fullchain.pem", p.write("chain.pem", authority().chain)}, {"/etc/ssl/patdesk/privkey.pem", p.write("key.pem", authority().key)},
	}
	changes = append(changes, when(!p.Subpath, change{"<VirtualHost *:80>", "<VirtualHost " + p.HTTP + ">"})...)
	changes = append(changes, when(p.Strip, change{"ProxyPass /pat/ http://" + p.Backends[0] + "/pat/", "ProxyPass /pat/ http://" + p.Backends[0] + "/"})...)
	changes = append(changes, when(p.Inner, change{"RequestHeader set   X-Forwarded-For ", "RequestHeader append X-Forwarded-For "})...)
	return []string{"-DFOREGROUND", "-f", p.write("main.conf", main.String()+p.render(changes...))}
}

// apacheFolder is where the distribution keeps the modules.
func apacheFolder() string {
	for _, folder := range []string{"/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/lib/httpd/modules"} {
		if info, err := os.Stat(folder); err == nil && info.IsDir() {
			return folder
		}
	}
	return "modules"
}

func prepareHAProxy(p *Proxy) []string {
	https := "bind " + p.HTTPS
	if p.IPv6 != "" {
		https += "," + p.IPv6
	}
	changes := []change{
		{"bind :443,:::443", https}, {"/etc/haproxy/patdesk.pem", p.write("patdesk.pem", authority().chain+authority().key)},
		{"server one 127.0.0.1:5000\n", p.oneFor("server s%d %s\n    ") + "\n"},
	}
	changes = append(changes, when(!p.Subpath, change{"bind :80,:::80", "bind " + p.HTTP})...)
	changes = append(changes, when(p.Strip, change{"# http-request replace-path", "http-request replace-path"})...)
	changes = append(changes, when(p.Inner, change{"http-request set-header X-Forwarded-For %[src]", "option forwardfor"})...)
	changes = append(changes, when(p.Once, change{"retries 3", "retries 0"}, change{"option redispatch 1", ""}, change{"retry-on conn-failure empty-response", "retry-on none"})...)
	return []string{"-db", "-f", p.write("haproxy.cfg", p.render(changes...))}
}

func prepareTraefik(p *Proxy) []string {
	p.HTTP = "" // an entry point that redirects is part of Traefik's own start
	changes := []change{
		{"- url: http://127.0.0.1:5000", p.oneFor("- url: http://%[2]s # %[1]d\n          ")},
		{"/etc/ssl/patdesk/fullchain.pem", p.write("chain.pem", authority().chain)}, {"/etc/ssl/patdesk/privkey.pem", p.write("key.pem", authority().key)},
	}
	changes = append(changes, when(p.Strip, change{"middlewares: [patdesk]", "middlewares: [patdesk, strip]"})...)
	static := "entryPoints:\n  websecure:\n    address: " + p.HTTPS + "\n"
	static += "providers:\n  file:\n    filename: " + p.write("patdesk.yaml", p.render(changes...)) + "\n"
	p.IPv6 = "" // one address is one entry point
	return []string{"--configFile=" + p.write("traefik.yaml", static+"global:\n  checkNewVersion: false\n  sendAnonymousUsage: false\n")}
}
