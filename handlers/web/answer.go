package web

import (
	"mime"
	"net/http"
	"strconv"
)

// Download is a file to be saved.
type Download struct {
	Name, ContentType string
	Content           []byte
}

// Answer is what an action decided: a page or a redirect.
type Answer interface{ isAnswer() }

// Page is an HTML page; template names it, data embeds base.
type Page struct {
	Status   int // 0 = 200
	Template string
	Data     any
	Header   http.Header
	Private  bool // shows something that opens something, beside what an operation hands out
}

// Redirect answers 303 See Other: the browser follows with a GET, whatever the method was.
type Redirect struct{ To string }

func (Download) isAnswer() {}

func (d Download) write(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", d.ContentType)
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": d.Name}))
	w.Header().Set("Content-Length", strconv.Itoa(len(d.Content)))
	_, err := w.Write(d.Content)
	return err
}

func (Page) isAnswer() {}

func (Redirect) isAnswer() {}
