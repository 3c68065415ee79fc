package web

import (
	"compress/gzip"
	"net/http"

	"github.com/klauspost/compress/gzhttp"
)

// padding is by how many bytes at most a compressed answer is longer than need be. How many follows from its content,
// so that repeating a request doesn't average it out.
const padding = 64

// compress has what a handler writes compressed, if the browser takes that and it is worth it.
var compress = newCompress()

func newCompress() func(http.Handler) http.HandlerFunc {
	// A list of 100 tokens takes a tenth of the time that it takes at the usual level, and gets 6 % larger.
	wrap, err := gzhttp.NewWrapper(gzhttp.EnableZstd(false), gzhttp.CompressionLevel(gzip.BestSpeed), gzhttp.RandomJitter(padding, 0, false))
	if err != nil {
		panic(err) // the options are literals
	}
	return wrap
}

// compressible says if the length of the answer may depend on all of its content. It may not where a secret stands
// beside text that an attacker chose: a right guess at the secret makes such an answer shorter
// (BREACH, https://www.breachattack.com). So an answer with a secret is never compressed, nor is one that another site
// has a browser ask for in words of its own.
func compressible(v *Request, private bool) bool {
	if private || v.Delivery.HandedOut() || v.Delivery.Awaited() {
		return false
	}
	switch v.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		return v.Method != http.MethodPost && v.URL.RawQuery == ""
	default:
		return true
	}
}

// Compressed has a handler's answers compressed. It is for what has no secret in it.
func Compressed(h http.HandlerFunc) http.HandlerFunc { return compress(h) }

// send writes an answer, compressed if it may be. private says that there is a secret in it that no operation has
// handed out.
func send(v *Request, private bool, write func(http.ResponseWriter) error) (err error) {
	if !compressible(v, private) {
		return write(v.Writer)
	}
	compress(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { err = write(w) })).ServeHTTP(v.Writer, v.Request)
	return err
}
