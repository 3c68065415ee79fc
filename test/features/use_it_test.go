package features

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// What is offered beside a new secret works, for one token and for the one that replaces it, with the tools themselves:
// pasted line by line into a shell that keeps its history, against a server that takes these secrets only. Neither the
// history nor the arguments of a process have the secret.
func TestUseIt(t *testing.T) {
	t.Parallel()
	d := apptest.Start(t, apptest.Seeded())
	b := d.SignedIn(apptest.Mona).Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "used everywhere").Check("Full access")
	page := b.Press("Create token").Page
	for id, one := range map[string]struct{ then, sees string }{
		"git":   {"git -C REPOSITORY log --format=%s", "seen by git"},
		"npm":   {"npm view seen-by-npm description", "seen by npm"},
		"pip":   {"pip --disable-pip-version-check index versions seen-by-pip --no-cache-dir", "4.2.1"},
		"curl":  {"", "seen by curl"},
		"nuget": {"dotnet again", "dotnet again has it"}, // a stand-in: it reads nuget.config's %AZURE_ARTIFACTS_TOKEN%
		"maven": {"mvn again", "mvn again has it"},
	} {
		lines := page.Find("#use-" + id + "-sh").Text()
		if lines == "" {
			t.Fatalf("no lines for %s: %s", id, apptest.Says(b))
		}
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			shell := newShell(t)
			shell.paste("4x7first52secretOfTheToken", lines, "rm -rf REPOSITORY")
			const second = "9q3second81secretOfTheToken"
			if said := shell.paste(second, lines, one.then); !strings.Contains(said, one.sees) {
				t.Errorf("%s:\n%s", id, said)
			}
			base64ed := base64.StdEncoding.EncodeToString([]byte(second))
			for _, file := range []string{".bash_history", "arguments"} {
				kept, err := os.ReadFile(filepath.Join(shell.home, file))
				if err != nil || len(kept) == 0 || bytes.Contains(kept, []byte(second)) || bytes.Contains(kept, []byte(base64ed[:16])) {
					t.Errorf("%s of %s: %v\n%s", file, id, err, kept)
				}
			}
			for _, file := range []string{".npmrc", ".netrc", ".git-credentials"} {
				if info, err := os.Stat(filepath.Join(shell.home, file)); err == nil && info.Mode().Perm()&0o077 != 0 {
					t.Errorf("others can read %s: %v", file, info.Mode())
				}
			}
		})
	}
}

// shell is a person's bash in a home of its own, and the services of Azure DevOps as its tools see them.
type shell struct {
	t      *testing.T
	home   string
	env    []string
	secret atomic.Pointer[string]
}

func newShell(t *testing.T) *shell {
	s := &shell{t: t, home: t.TempDir()}
	certificate, authority := certificateOf(t, "dev.azure.com", "pkgs.dev.azure.com")
	services := httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	services.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // npm gives up connections
	services.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	services.StartTLS()
	t.Cleanup(services.Close)
	proxy := httptest.NewServer(tunnelTo(services.Listener.Addr().String()))
	t.Cleanup(proxy.Close)
	s.write("authority.pem", string(authority), 0o600)
	s.write(".gitconfig", "[credential]\n\thelper = store\n", 0o600) // keeps it as other helpers do, where the test can see it
	s.write("project/package.json", `{"name": "mine", "version": "1.0.0"}`, 0o600)
	s.repository()
	pem := filepath.Join(s.home, "authority.pem")
	others := slices.DeleteFunc(os.Environ(), func(setting string) bool { // a machine's own feeds
		return strings.HasPrefix(setting, "PIP_") || strings.HasPrefix(strings.ToLower(setting), "npm_config_")
	})
	s.env = append(others, "HOME="+s.home, "PATH="+s.tools(), "HISTFILE="+filepath.Join(s.home, ".bash_history"), "PS1=",
		"HTTPS_PROXY="+proxy.URL, "https_proxy="+proxy.URL, "NO_PROXY=", "no_proxy=", "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_SSL_CAINFO="+pem, "CURL_CA_BUNDLE="+pem, "PIP_CERT="+pem, "REQUESTS_CA_BUNDLE="+pem, "PIP_RETRIES=0", "PIP_CONFIG_FILE="+filepath.Join(s.home, "pip.conf"), "NPM_CONFIG_CAFILE="+pem, "NPM_CONFIG_FETCH_RETRIES=0", "NPM_CONFIG_CACHE="+filepath.Join(s.home, "npm"),
		"NPM_CONFIG_USERCONFIG="+filepath.Join(s.home, ".npmrc"), "XDG_CONFIG_HOME="+filepath.Join(s.home, ".config"))
	return s
}

// paste gives lines to the shell as a terminal without bracketed paste does, one by one, then the secret, then one more
// line, with a service that takes this secret only. It returns what stands in the window afterwards.
func (s *shell) paste(secret, lines, then string) string {
	s.secret.Store(&secret)
	command := exec.CommandContext(s.t.Context(), "bash", "--norc", "-i")
	command.Env, command.Dir = s.env, filepath.Join(s.home, "project")
	command.Stdin = strings.NewReader(lines + "\n" + secret + "\n" + then + "\n")
	said, _ := command.CombinedOutput() // what it says decides
	return string(said)
}

// tools are the programs that the lines may call, in a folder that becomes the PATH. Each notes its arguments first.
func (s *shell) tools() string {
	folder := filepath.Join(s.home, "bin")
	for _, name := range []string{"git", "npm", "pip", "curl", "base64", "tr", "chmod", "rm"} {
		path, err := exec.LookPath(name)
		if err != nil {
			s.t.Fatalf("%v: scripts/test-deps installs it", err)
		}
		s.write("bin/"+name, fmt.Sprintf("#!/bin/bash\nprintf '%%s\\n' \"$0 $*\" >> %q\nPATH=%q exec %q \"$@\"\n", s.home+"/arguments", os.Getenv("PATH"), path), 0o700)
	}
	for _, name := range []string{"dotnet", "mvn"} {
		s.write("bin/"+name, fmt.Sprintf("#!/bin/bash\nprintf '%%s\\n' \"$0 $*\" >> %q\n[[ ${AZURE_ARTIFACTS_TOKEN-} == *secretOfTheToken ]] && echo \"%s $* has it\"\n", s.home+"/arguments", name), 0o700)
	}
	return folder
}

func (s *shell) write(name, text string, mode os.FileMode) {
	path := filepath.Join(s.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		s.t.Fatal(err)
	}
}

// repository makes the one that is cloned, in the form that a server of plain files can give.
func (s *shell) repository() {
	folder := filepath.Join(s.home, "served")
	git := func(args ...string) {
		command := exec.CommandContext(s.t.Context(), "git", append([]string{"-C", folder, "-c", "user.name=Mona", "-c", "user.email=mona@example.com"}, args...)...)
		command.Env = append(os.Environ(), "HOME="+s.home, "GIT_CONFIG_NOSYSTEM=1")
		if said, err := command.CombinedOutput(); err != nil {
			s.t.Fatalf("git %v: %v\n%s", args, err, said)
		}
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		s.t.Fatal(err)
	}
	git("init", "-q")
	git("commit", "-q", "--allow-empty", "-m", "seen by git")
	git("update-server-info")
}

// serve answers who knows the secret, as each service says who may.
func (s *shell) serve(w http.ResponseWriter, r *http.Request) {
	if _, password, _ := r.BasicAuth(); password != *s.secret.Load() {
		w.Header().Set("WWW-Authenticate", `Basic realm="https://pkgs.dev.azure.com/"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	git, isGit := strings.CutPrefix(r.URL.Path, "/contoso/PROJECT/_git/REPOSITORY/")
	switch feed := "/contoso/_packaging/FEED/"; {
	case r.Host == "dev.azure.com" && isGit:
		http.ServeFile(w, r, filepath.Join(s.home, "served", ".git", filepath.FromSlash(git)))
	case r.Host == "dev.azure.com" && r.URL.Path == "/contoso/_apis/projects":
		fmt.Fprint(w, `{"value": "seen by curl"}`)
	case r.Host == "pkgs.dev.azure.com" && r.URL.Path == feed+"npm/registry/seen-by-npm":
		fmt.Fprint(w, `{"name": "seen-by-npm", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": {"name": "seen-by-npm", "version": "1.0.0", "description": "seen by npm"}}}`)
	case r.Host == "pkgs.dev.azure.com" && r.URL.Path == feed+"pypi/simple/seen-by-pip/":
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><html><body><a href="seen_by_pip-4.2.1-py3-none-any.whl">seen_by_pip-4.2.1-py3-none-any.whl</a></body></html>`)
	default:
		http.NotFound(w, r)
	}
}

// tunnelTo is a proxy that connects everybody to one address, whatever they ask for.
func tunnelTo(address string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "this proxy is for HTTPS", http.StatusMethodNotAllowed)
			return
		}
		behind, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", address)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer behind.Close()
		client, _, err := http.NewResponseController(w).Hijack() // it has sent nothing yet but its CONNECT
		if err != nil {
			return
		}
		defer client.Close()
		fmt.Fprint(client, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() {
			_, _ = io.Copy(behind, client)
			if sent, ok := behind.(*net.TCPConn); ok {
				_ = sent.CloseWrite()
			}
		}()
		_, _ = io.Copy(client, behind)
	}
}

// certificateOf is one for these names, which is its own authority.
func certificateOf(t *testing.T, names ...string) (certificate tls.Certificate, authority []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "services"}, DNSNames: names, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
