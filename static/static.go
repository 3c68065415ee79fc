// Package static holds the style sheet, the scripts and the icons, and hands them to browsers.
//
// Every file in assets is served under a name that carries a hash of its content ("/static/app.1f0c5e8a9b3d.css"). Such
// an address never changes its meaning, so browsers keep the file for good and ask only after a new release. Sentences
// and HTML don't belong here.
package static

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/tdewolff/minify/v2"
	"github.com/tdewolff/minify/v2/css"
	"github.com/tdewolff/minify/v2/js"
	"github.com/tdewolff/minify/v2/svg"
)

//go:embed assets
var assets embed.FS

// Prefix begins the path of every file, below the root of the program.
const Prefix = "/static/"

// file is one embedded file with the name it is served under.
type file struct {
	hashed      string // "app.1f0c5e8a9b3d.css"
	contentType string
	content     []byte
	encoded     func() map[string][]byte // by content coding (RFC 9110, 8.4.1)
}

// files are made when the first one is asked for.
var files = sync.OnceValue(load)

// codings that files are compressed with, the best first.
var codings = []string{"zstd", "gzip"}

// contentTypes are set by us: what the operating system knows of file endings differs between machines.
var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
	".ico": "image/x-icon",
}

// Path is the address of a file below the root of the program: Path("app.css") is "/static/app.<hash>.css". It panics
// if there is no such file; pages name theirs literally, so a test that renders them finds it.
func Path(name string) string {
	f, ok := files()[name]
	if !ok {
		panic("static: no file " + name)
	}
	return Prefix + f.hashed
}

// Handler serves the files under their hashed names, wherever it is mounted, and nothing else: not a folder's content,
// not a file of an earlier release, whose content it couldn't give.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := strings.LastIndex(r.URL.Path, Prefix)
		if at < 0 {
			http.NotFound(w, r)
			return
		}
		hashed := r.URL.Path[at+len(Prefix):]
		f, ok := files()[unhashedName(hashed)]
		if !ok || f.hashed != hashed {
			http.NotFound(w, r)
			return
		}
		serve(w, r, f, "public, max-age=31536000, immutable")
	})
}

// Favicon answers /favicon.ico, which browsers ask for by themselves. Its name carries no hash, so it is kept for a day
// only.
func Favicon(w http.ResponseWriter, r *http.Request) {
	serve(w, r, files()["favicon.ico"], "public, max-age=86400")
}

func serve(w http.ResponseWriter, r *http.Request, f file, cacheControl string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", f.contentType)
	w.Header().Set("Cache-Control", cacheControl)
	w.Header().Set("Vary", "Accept-Encoding")
	content := f.content
	for _, coding := range codings {
		if encoded := f.encoded()[coding]; encoded != nil && accepts(r.Header, coding) {
			w.Header().Set("Content-Encoding", coding)
			content = encoded
			break
		}
	}
	if r.Header.Get("Range") == "" {
		w.Header().Set("Content-Length", strconv.Itoa(len(content))) // ServeContent leaves it out where there is a coding
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// accepts reports whether a browser takes that content coding (RFC 9110, 12.5.3).
func accepts(header http.Header, coding string) bool {
	for _, listed := range strings.Split(strings.Join(header.Values("Accept-Encoding"), ","), ",") {
		name, weight, _ := strings.Cut(listed, ";")
		if strings.EqualFold(strings.TrimSpace(name), coding) {
			_, q, weighted := strings.Cut(strings.ReplaceAll(weight, " ", ""), "=")
			value, err := strconv.ParseFloat(q, 64)
			return !weighted || err == nil && value > 0
		}
	}
	return false
}

func load() map[string]file {
	entries, err := fs.ReadDir(assets, "assets")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	minifier := minify.New()
	minifier.AddFunc("text/css", css.Minify)
	minifier.AddFunc("text/javascript", js.Minify)
	minifier.AddFunc("image/svg+xml", svg.Minify)
	out := map[string]file{}
	for _, entry := range entries {
		contentType := contentTypes[path.Ext(entry.Name())]
		content, err := fs.ReadFile(assets, path.Join("assets", entry.Name()))
		if err == nil && path.Ext(entry.Name()) != ".ico" {
			content, err = minifier.Bytes(contentType, content)
		}
		if err != nil {
			panic(fmt.Sprintf("static: %s: %v", entry.Name(), err)) // a script that no browser could read either
		}
		out[entry.Name()] = file{
			hashed: hashedName(entry.Name(), content), contentType: contentType, content: content,
			encoded: sync.OnceValue(func() map[string][]byte { return encode(content) }),
		}
	}
	return out
}

// encode compresses a file, which happens once. zstd's best level would make it 4 % smaller, and take 35 MB for its tables.
func encode(content []byte) map[string][]byte {
	var zipped bytes.Buffer
	gz, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression) // the level is one
	_, _ = gz.Write(content)                                    // a buffer takes everything
	_ = gz.Close()
	out := map[string][]byte{"gzip": zipped.Bytes(), "zstd": zstdEncoder().EncodeAll(content, nil)}
	maps.DeleteFunc(out, func(_ string, encoded []byte) bool { return len(encoded) >= len(content) })
	return out
}

// zstdEncoder is shared: one takes some MB.
var zstdEncoder = sync.OnceValue(func() *zstd.Encoder {
	e, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1)) // the options are literals
	return e
})

// hashedName puts 48 bits of the content's SHA-256 before the ending: far more than a few dozen files need to differ,
// and short enough to read.
func hashedName(name string, content []byte) string {
	sum := sha256.Sum256(content)
	ext := path.Ext(name)
	return strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
}

// unhashedName is hashedName the other way round.
func unhashedName(hashed string) string {
	ext := path.Ext(hashed)
	stem := strings.TrimSuffix(hashed, ext)
	return strings.TrimSuffix(stem, path.Ext(stem)) + ext
}
