package azuredevops

import (
	"crypto/sha256"
	"slices"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	manyPages = 64       // that are kept
	mostKept  = 96 << 10 // bytes of one's answer; a full page has some 50 KB
)

// pages keeps what the last pages of lists were read as, by their answers. People sort, search, turn pages and reload,
// and mostly the service says the same once more, byte for byte: then it needn't be read again.
type pages struct {
	known *lru.Cache[[sha256.Size]byte, page]
}

type page struct {
	tokens []Token
	next   string // the continuation token
}

func newPages() pages {
	known, _ := lru.New[[sha256.Size]byte, page](manyPages) // fails for sizes below one
	return pages{known}
}

// read is call.page. The tokens are shared: read only.
func (p pages) read(q call, a answer) (tokens []Token, next string, failure *Error) {
	if len(a.body) > mostKept {
		return q.page(a)
	}
	key := sha256.Sum256(a.body)
	if known, ok := p.known.Get(key); ok {
		return known.tokens, known.next, nil
	}
	tokens, next, failure = q.page(a)
	if failure == nil {
		p.known.Add(key, page{tokens, next})
	}
	return tokens, next, failure
}

// distinct is tokens of several pages, each once: they can move from page to page meanwhile.
type distinct struct {
	all   []Token
	known map[string]bool // ids; nil: those of all
}

// add adds a page, in which each token is once. One that stays alone isn't copied.
func (d *distinct) add(page []Token) {
	if d.all == nil {
		d.all = slices.Clip(page) // the pages' own: what is appended must go elsewhere
		return
	}
	if d.known == nil {
		d.known = make(map[string]bool, 2*len(d.all))
		for i := range d.all {
			d.known[d.all[i].AuthorizationID] = true
		}
	}
	for i := range page {
		if t := &page[i]; !t.Addressable() || !d.known[t.AuthorizationID] {
			d.known[t.AuthorizationID] = true
			d.all = append(d.all, *t)
		}
	}
}

// once is tokens with each once.
func once(tokens []Token) []Token {
	d := distinct{all: make([]Token, 0, len(tokens)), known: make(map[string]bool, len(tokens))}
	d.add(tokens)
	return d.all
}

// listBuffer is for a page of a list as it is sent. A full one has some 50 KB.
const listBuffer = 64 << 10

// listBuffers are those that no call uses.
var listBuffers = sync.Pool{New: func() any { return new([listBuffer]byte) }}
