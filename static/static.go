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
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
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
}

// Every file can be looked up by its own name and by the name with the hash.
var byName, byHashedName = load()

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
	f, ok := byName[name]
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
		f, ok := byHashedName[r.URL.Path[at+len(Prefix):]]
		if !ok {
			http.NotFound(w, r)
			return
		}
		serve(w, r, f, "public, max-age=31536000, immutable")
	})
}

// Favicon answers /favicon.ico, which browsers ask for by themselves. Its name carries no hash, so it is kept for a day
// only.
func Favicon(w http.ResponseWriter, r *http.Request) {
	serve(w, r, byName["favicon.ico"], "public, max-age=86400")
}

func serve(w http.ResponseWriter, r *http.Request, f file, cacheControl string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", f.contentType)
	w.Header().Set("Cache-Control", cacheControl)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
}

func load() (byName, byHashedName map[string]file) {
	byName, byHashedName = map[string]file{}, map[string]file{}
	entries, err := fs.ReadDir(assets, "assets")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	for _, entry := range entries {
		content, err := fs.ReadFile(assets, path.Join("assets", entry.Name()))
		if err != nil {
			panic(err)
		}
		f := file{hashed: hashedName(entry.Name(), content), contentType: contentTypes[path.Ext(entry.Name())], content: content}
		byName[entry.Name()], byHashedName[f.hashed] = f, f
	}
	return byName, byHashedName
}

// hashedName puts 48 bits of the content's SHA-256 before the ending: far more than a few dozen files need to differ,
// and short enough to read.
func hashedName(name string, content []byte) string {
	sum := sha256.Sum256(content)
	ext := path.Ext(name)
	return strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
}
