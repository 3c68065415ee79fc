package azuredevops

import (
	"crypto/sha256"

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

// read is call.page. The tokens are shared: whoever gets them leaves them as they are.
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
