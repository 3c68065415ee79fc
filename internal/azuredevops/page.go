package azuredevops

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
	lru "github.com/hashicorp/golang-lru/v2"
)

// A list of tokens is the one large answer, and is read for nearly every page. So it is read in one pass, of which each
// value of a token's record is given to the type that reads it everywhere else.

// errSyntax says that an answer isn't JSON.
var errSyntax = errors.New("it isn't JSON")

// wirePage is one page of a list. Older answers have it, or only its tokens, in value.
type wirePage struct {
	wireTokens
	value         wireTokens
	patTokenError patTokenError
}

type wireTokens struct {
	continuationToken text
	patTokens         list[wireToken, *wireToken]
}

// readPage reads a page as it is or repaired, or else what can be made out of each of its records.
func readPage(b []byte) (p wirePage, err error) {
	b = withoutBOM(b)
	p, err = parsePage(b)
	for _, endings := range []bool{false, true} {
		if !errors.Is(err, errSyntax) {
			break
		}
		if mended := repaired(b, endings); mended != nil {
			p, err = parsePage(mended)
		}
	}
	if errors.Is(err, errSyntax) {
		if salvaged, ok := salvagedPage(b); ok {
			return salvaged, nil
		}
	}
	return p, err
}

func parsePage(b []byte) (p wirePage, err error) {
	d := decoderOf(b)
	switch d.PeekKind() {
	case '{':
		err = eachMember(d, p.readMember)
	case 'n': // says as little as an empty object
		err = d.SkipValue()
	default:
		if err = d.SkipValue(); err == nil {
			err = errType
		}
	}
	if err == nil || errors.Is(err, errType) {
		if _, after := d.ReadToken(); !errors.Is(after, io.EOF) {
			err = errSyntax
		}
	}
	if err != nil && !errors.Is(err, errType) {
		err = errSyntax // the decoder's own quotes the body
	}
	return p, err
}

// decoderOf takes what encoding/json takes.
func decoderOf(b []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(b), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

func (p *wirePage) readMember(name string, d *jsontext.Decoder) error {
	switch name {
	case "value":
		return p.value.readValue(d)
	case "patTokenError":
		return readInto(d, &p.patTokenError)
	default:
		return p.wireTokens.readMember(name, d)
	}
}

func (t *wireTokens) readMember(name string, d *jsontext.Decoder) error {
	switch name {
	case "continuationToken":
		return readInto(d, &t.continuationToken)
	case "patTokens":
		return readTokens(d, &t.patTokens)
	default:
		return d.SkipValue()
	}
}

// readValue reads an array of tokens or a page of them, and takes anything else for neither.
func (t *wireTokens) readValue(d *jsontext.Decoder) error {
	switch d.PeekKind() {
	case '{':
		return eachMember(d, t.readMember)
	case '[':
		return readTokens(d, &t.patTokens)
	default:
		return d.SkipValue()
	}
}

// readTokens reads an array or null. Anything else is no list.
func readTokens(d *jsontext.Decoder, l *list[wireToken, *wireToken]) error {
	if d.PeekKind() != '[' {
		return readInto(d, l)
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	l.there, l.items, l.more = true, make([]wireToken, 0, pageSize), false
	for d.PeekKind() != ']' {
		var err error
		switch {
		case len(l.items) == maxItems:
			l.more = true
			err = d.SkipValue()
		case d.PeekKind() == '{':
			l.items = append(l.items, wireToken{there: true})
			err = eachMember(d, l.items[len(l.items)-1].readMember)
		default:
			l.items = append(l.items, wireToken{})
			err = readInto(d, &l.items[len(l.items)-1])
		}
		if err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

func (w *wireToken) readMember(name string, d *jsontext.Decoder) error {
	switch name {
	case "authorizationId":
		return readInto(d, &w.AuthorizationID)
	case "displayName":
		return readInto(d, &w.DisplayName)
	case "scope":
		return readInto(d, &w.Scope)
	case "targetAccounts":
		return readInto(d, &w.TargetAccounts)
	case "validFrom":
		return readInto(d, &w.ValidFrom)
	case "validTo":
		return readInto(d, &w.ValidTo)
	default:
		return d.SkipValue() // "token" is null in lists
	}
}

// readInto gives the next value to what reads it, which takes any.
func readInto(d *jsontext.Decoder, to json.Unmarshaler) error {
	value, err := d.ReadValue()
	if err != nil {
		return err
	}
	return to.UnmarshalJSON(value)
}

// eachMember calls read for each member of the object that comes next. read has to read or skip the value.
func eachMember(d *jsontext.Decoder, read func(name string, d *jsontext.Decoder) error) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != '}' {
		raw, err := d.ReadValue()
		if err != nil {
			return err
		}
		if err := read(memberName(raw), d); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// memberNames are those that are read. Case doesn't matter, as everywhere in what the service sends.
var memberNames = []string{
	"authorizationId", "displayName", "scope", "targetAccounts", "validFrom", "validTo", "continuationToken", "patTokens", "value", "patTokenError",
}

// memberName is the name that raw, a JSON string, stands for; "" for one that isn't read.
func memberName(raw []byte) string {
	for _, name := range memberNames {
		if len(raw) == len(name)+2 && string(raw[1:len(raw)-1]) == name {
			return name
		}
	}
	name := raw[1 : len(raw)-1]
	if bytes.IndexByte(name, '\\') >= 0 {
		var plain string
		_ = json.Unmarshal(raw, &plain) // raw is a JSON string
		name = []byte(plain)
	}
	for _, known := range memberNames {
		if strings.EqualFold(string(name), known) {
			return known
		}
	}
	return ""
}

const (
	manyPages = 128      // that are kept
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
