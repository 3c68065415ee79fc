package deploy_test

import (
	"archive/zip"
	"bytes"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/testkit"
)

// modules is a module proxy with one module, behind a certificate of an authority that nobody knows. It returns its
// address and the authority.
func modules(t *testing.T) (address string, authority []byte) {
	t.Helper()
	const mod = "module example.com/m\n"
	var packed bytes.Buffer
	z := zip.NewWriter(&packed)
	f, err := z.Create("example.com/m@v1.0.0/go.mod")
	testkit.Must(t, err)
	_, err = f.Write([]byte(mod))
	testkit.Must(t, err)
	testkit.Must(t, z.Close())
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path.Base(r.URL.Path) {
		case "v1.0.0.info":
			fmt.Fprint(w, `{"Version":"v1.0.0"}`)
		case "v1.0.0.mod":
			fmt.Fprint(w, mod)
		case "v1.0.0.zip":
			_, _ = w.Write(packed.Bytes())
		default:
			http.NotFound(w, r)
		}
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // of the handshakes that fail
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

// The image's build reaches modules behind a proxy that shows certificates of its own, by the secret with its authority
// and by nothing else. No engine is needed: the line of the Dockerfile runs here.
func TestBuildBehindAnInspectingProxy(t *testing.T) {
	t.Parallel()
	line := regexp.MustCompile(`(?m)^ARG GOPROXY\nRUN --mount=type=secret,id=ca (.* go mod download)$`).FindStringSubmatch(read(t, "../Dockerfile"))
	if line == nil {
		t.Fatal("the Dockerfile fetches modules in another way")
	}
	address, authority := modules(t)
	folder := t.TempDir()
	secret := filepath.Join(folder, "ca")
	testkit.Must(t, os.WriteFile(filepath.Join(folder, "go.mod"), []byte("module example.com/x\n\ngo 1.26\n\nrequire example.com/m v1.0.0\n"), 0o600))
	download := func() (string, error) {
		return run(t, []string{"GOPROXY=" + address, "GOSUMDB=off", "GOPRIVATE=", "GONOPROXY=", "GOFLAGS=-modcacherw -mod=mod", "GOWORK=off", "GOTOOLCHAIN=local", "GOMODCACHE=" + filepath.Join(folder, "cache")},
			"sh", "-c", "cd '"+folder+"' && "+strings.ReplaceAll(line[1], "/run/secrets/ca", secret))
	}
	if said, err := download(); err == nil || !strings.Contains(said, "certificate signed by unknown authority") {
		t.Errorf("without the secret: %v\n%s", err, said)
	}
	testkit.Must(t, os.WriteFile(secret, authority, 0o400))
	if said, err := download(); err != nil {
		t.Errorf("with the secret: %v\n%s", err, said)
	}
}
