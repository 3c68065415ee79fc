package inventory

import (
	"reflect"
	"slices"
	"strings"
)

// compact is tokens as they are kept: with nothing of the answers that they were read from, and with one copy of the
// lists of scopes and organizations that many of them have in common.
func compact(tokens []Token) []Token {
	out := slices.Clip(slices.Clone(tokens))
	lists := map[string][]string{}
	share := func(list []string) []string {
		if len(list) == 0 {
			return list // nil means something else than an empty one
		}
		key := strings.Join(list, "\x00")
		kept, ok := lists[key]
		if !ok {
			for _, s := range list {
				kept = append(kept, strings.Clone(s))
			}
			lists[key] = slices.Clip(kept)
		}
		return lists[key]
	}
	for i := range out {
		t := &out[i]
		t.AuthorizationID, t.DisplayName = strings.Clone(t.AuthorizationID), strings.Clone(t.DisplayName)
		t.Scopes, t.TargetAccounts = share(t.Scopes), share(t.TargetAccounts)
	}
	return out
}

const (
	orgBytes    = 1 << 10 // of an organization without tokens: its failures, its entries in maps
	stringBytes = 16      // of a string in a list; and what the allocator may add to one
)

var tokenBytes = int64(reflect.TypeFor[Token]().Size())

// fitting says how many of these tokens, which are compact, fit into so many bytes, and how many bytes those take.
func fitting(tokens []Token, room int64) (n int, bytes int64) {
	bytes = orgBytes
	seen := map[*string]bool{} // the first strings of lists that were counted
	list := func(l []string) (size int64) {
		if len(l) == 0 || seen[&l[0]] {
			return 0
		}
		seen[&l[0]] = true
		for _, s := range l {
			size += 2*stringBytes + int64(len(s))
		}
		return size
	}
	for i := range tokens {
		t := &tokens[i]
		size := tokenBytes + 2*stringBytes + int64(len(t.AuthorizationID)+len(t.DisplayName)) + list(t.Scopes) + list(t.TargetAccounts)
		if bytes+size > room {
			return i, bytes
		}
		bytes += size
	}
	return len(tokens), bytes
}
