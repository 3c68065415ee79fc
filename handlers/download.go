package handlers

import (
	"mime"
	"net/http"
	"strconv"
)

// download is a file to be saved.
type download struct {
	name, contentType string
	content           []byte
}

func (download) isAnswer() {}

func (d download) write(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", d.contentType)
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": d.name}))
	w.Header().Set("Content-Length", strconv.Itoa(len(d.content)))
	_, err := w.Write(d.content)
	return err
}
