package templates

import (
	"bytes"
	"strings"
	"sync"

	"golang.org/x/text/collate"
)

// Order compares names as the language orders them, without regard to case at first. It is for one sorting: it keeps
// what it has worked out, and isn't safe for concurrent use.
func (w *Words) Order() func(a, b string) int {
	var (
		collator = sync.OnceValue(func() *collate.Collator { return collate.New(w.tag) }) // many a list is in order without it
		buffer   collate.Buffer
		keys     = map[string][]byte{}
	)
	key := func(name string) []byte {
		k, ok := keys[name]
		if !ok {
			k = collator().KeyFromString(&buffer, name)
			keys[name] = k
		}
		return k
	}
	return func(a, b string) int { return bytes.Compare(key(a), key(b)) }
}

// Sentences are whole sentences one after the other. What is empty is left out.
func (w *Words) Sentences(all ...string) string {
	var out string
	for _, one := range all {
		switch {
		case out == "":
			out = one
		case one != "":
			out = w.Text("sentence.next", "Sentence", out, "Next", one)
		}
	}
	return out
}

// List is texts one after the other, as the language separates them.
func (w *Words) List(texts []string) string {
	return strings.Join(texts, w.messages["list.separator"].Other)
}
