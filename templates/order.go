package templates

import (
	"bytes"
	"strings"
	"sync"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
)

// Order compares names as the language orders them, without regard to case at first. It is for one sorting: it keeps
// what it has worked out, and isn't safe for concurrent use.
func (w *Words) Order() func(a, b string) int {
	var (
		buffer *collate.Buffer
		keys   map[string][]byte
	)
	key := func(name string) []byte {
		k, ok := keys[name]
		if !ok {
			if keys == nil { // many a list is in order without it
				buffer, keys = new(collate.Buffer), map[string][]byte{}
			}
			k = w.collator.key(buffer, w.tag, name)
			keys[name] = k
		}
		return k
	}
	return func(a, b string) int { return bytes.Compare(key(a), key(b)) }
}

// collator makes keys for one language. Making it takes as long as sorting a page.
type collator struct {
	mu sync.Mutex
	of *collate.Collator
}

func (c *collator) key(buffer *collate.Buffer, tag language.Tag, name string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = collate.New(tag)
	}
	return c.of.KeyFromString(buffer, name)
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
