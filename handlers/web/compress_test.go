package web_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/handlers/web"
)

// Two answers of the same size differ in length by more than one letter's worth, and each has always the same length.
func TestCompressedAnswersArePadded(t *testing.T) {
	t.Parallel()
	lengths := map[int]bool{}
	for guess := range 40 {
		content := strings.Repeat("<p>some page</p>", 200) + fmt.Sprintf("q=%02d", guess)
		first, comment := compressed(t, content)
		if again, _ := compressed(t, content); len(comment) == 0 || len(comment) > 65 || again != first {
			t.Errorf("padding of %d bytes, lengths %d and %d", len(comment), first, again)
		}
		lengths[len(comment)] = true
	}
	if len(lengths) < 15 {
		t.Errorf("%d lengths of padding among 40 answers", len(lengths))
	}
}

func compressed(t *testing.T, content string) (length int, comment string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	answer := httptest.NewRecorder()
	web.Compressed(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, content)
	})(answer, r)
	length = answer.Body.Len()
	unpacked, err := gzip.NewReader(bytes.NewReader(answer.Body.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(unpacked); err != nil || string(plain) != content {
		t.Errorf("unpacks to %d bytes: %v", len(plain), err)
	}
	return length, unpacked.Comment
}
