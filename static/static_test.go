package static_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/patdesk/patdesk/static"
)

var assets = map[string]string{
	"app.css": "text/css; charset=utf-8", "favicon.svg": "image/svg+xml", "filter.js": "text/javascript; charset=utf-8",
	"batch.js": "text/javascript; charset=utf-8", "dialogs.js": "text/javascript; charset=utf-8", "picking.js": "text/javascript; charset=utf-8", "forms.js": "text/javascript; charset=utf-8", "menus.js": "text/javascript; charset=utf-8", "arriving.js": "text/javascript; charset=utf-8", "list.js": "text/javascript; charset=utf-8", "progress.js": "text/javascript; charset=utf-8",
	"secret.js": "text/javascript; charset=utf-8", "token-form.js": "text/javascript; charset=utf-8", "favicon.ico": "image/x-icon",
}

func get(t *testing.T, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	answer := httptest.NewRecorder()
	static.Handler().ServeHTTP(answer, httptest.NewRequest(method, path, nil))
	return answer
}

func TestFilesAreServedUnderTheHashOfTheirContent(t *testing.T) {
	for name, contentType := range assets {
		for _, root := range []string{"", "/pat", "/static/odd"} {
			answer := get(t, http.MethodGet, root+static.Path(name))
			if answer.Code != http.StatusOK {
				t.Fatalf("%s%s: status %d", root, name, answer.Code)
			}
			if got := answer.Header().Get("Content-Type"); got != contentType {
				t.Errorf("%s: content type %q", name, got)
			}
			if got := answer.Header().Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
				t.Errorf("%s: Cache-Control %q", name, got)
			}
			sum := sha256.Sum256(answer.Body.Bytes())
			if hash := hex.EncodeToString(sum[:6]); !strings.Contains(static.Path(name), "."+hash+".") {
				t.Errorf("%s is not the address of content with hash %s", static.Path(name), hash)
			}
		}
	}
}

func TestNothingElseIsServed(t *testing.T) {
	for _, path := range []string{
		"/static/", "/static/app.css", "/static/app.000000000000.css", "/static/assets/app.css", "/static/../static.go",
		"/static/x" + strings.TrimPrefix(static.Path("app.css"), "/static/"), "/other",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.Path = path
		answer := httptest.NewRecorder()
		static.Handler().ServeHTTP(answer, r)
		if answer.Code != http.StatusNotFound {
			t.Errorf("%s: status %d", path, answer.Code)
		}
		if got := answer.Header().Get("Cache-Control"); strings.Contains(got, "immutable") {
			t.Errorf("%s: a failure may be kept for good: %q", path, got)
		}
	}
}

func TestFilesAreReadOnly(t *testing.T) {
	answer := get(t, http.MethodPost, static.Path("app.css"))
	if answer.Code != http.StatusMethodNotAllowed || answer.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: status %d, Allow %q", answer.Code, answer.Header().Get("Allow"))
	}
	head := get(t, http.MethodHead, static.Path("app.css"))
	if head.Code != http.StatusOK || head.Body.Len() != 0 || head.Header().Get("Content-Length") == "" {
		t.Errorf("HEAD: status %d, %d bytes, Content-Length %q", head.Code, head.Body.Len(), head.Header().Get("Content-Length"))
	}
}

func TestFavicon(t *testing.T) {
	answer := httptest.NewRecorder()
	static.Favicon(answer, httptest.NewRequest(http.MethodGet, "/favicon.ico", nil))
	if answer.Code != http.StatusOK || answer.Header().Get("Content-Type") != "image/x-icon" || answer.Header().Get("Cache-Control") != "public, max-age=86400" {
		t.Errorf("status %d, headers %v", answer.Code, answer.Header())
	}
	if !strings.HasPrefix(answer.Body.String(), "\x00\x00\x01\x00") {
		t.Error("not an icon")
	}
}

func TestUnknownPathPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a file that doesn't exist has an address")
		}
	}()
	static.Path("missing.css")
}

// What a browser takes is what it gets, and it unpacks to the same file.
func TestFilesAreServedCompressed(t *testing.T) {
	for accepted, want := range map[string]string{
		"":                    "",
		"identity":            "",
		"br":                  "",
		"gzip":                "gzip",
		"GZIP":                "gzip",
		"gzip, deflate, br":   "gzip",
		"gzip, zstd":          "zstd",
		"gzip, br, zstd":      "zstd",
		"zstd;q=0, gzip":      "gzip",
		"gzip;q=0":            "",
		"gzip; q=0.0, *":      "",
		"gzip;q=0.5,zstd;q=1": "zstd",
		"gzip;q=none":         "",
		";,;q=,=gzip":         "",
	} {
		for _, name := range []string{"app.css", "picking.js", "favicon.svg"} {
			r := httptest.NewRequest(http.MethodGet, static.Path(name), nil)
			r.Header.Set("Accept-Encoding", accepted)
			answer := httptest.NewRecorder()
			static.Handler().ServeHTTP(answer, r)
			if got := answer.Header().Get("Content-Encoding"); got != want {
				t.Errorf("%s, Accept-Encoding %q: Content-Encoding %q, want %q", name, accepted, got, want)
				continue
			}
			if got := answer.Header().Get("Vary"); got != "Accept-Encoding" {
				t.Errorf("%s: Vary %q: a cache would hand one coding to everybody", name, got)
			}
			if got, length := answer.Header().Get("Content-Length"), strconv.Itoa(answer.Body.Len()); got != length {
				t.Errorf("%s, %q: Content-Length %s of %s bytes", name, accepted, got, length)
			}
			plain := get(t, http.MethodGet, static.Path(name)).Body.Bytes()
			if got := unpacked(t, want, answer.Body.Bytes()); !bytes.Equal(got, plain) {
				t.Errorf("%s, %q: unpacks to %d bytes, not to the %d of the file", name, accepted, len(got), len(plain))
			}
			if want != "" && answer.Body.Len() > len(plain)*9/10 {
				t.Errorf("%s, %q: %d of %d bytes", name, accepted, answer.Body.Len(), len(plain))
			}
		}
	}
}

func unpacked(t *testing.T, coding string, content []byte) []byte {
	t.Helper()
	var reader io.Reader = bytes.NewReader(content)
	var err error
	switch coding {
	case "gzip":
		reader, err = gzip.NewReader(reader)
	case "zstd":
		reader, err = zstd.NewReader(reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// Comments and indentation are for those who read the source.
func TestFilesAreMinified(t *testing.T) {
	for name := range assets {
		if strings.HasSuffix(name, ".ico") {
			continue
		}
		if plain := get(t, http.MethodGet, static.Path(name)).Body.String(); len(plain) > len(source(t, name))*99/100 {
			t.Errorf("%s isn't minified", name)
		}
	}
}
