package session

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// A stored value is a JSON object with explicitly named members. While one release replaces another both use the same
// store, and an operator may go back; so every release has to live with what its neighbours write:
//
//   - The first member, "v", is the version of the value's form. It is raised only when a program that doesn't know the new
//     form would misread it. A value of a later version than the program knows counts as unreadable, is never written over,
//     and is read again by the release that made it.
//   - What a release adds without raising the version is unknown to the one before, which keeps it: Change writes back the
//     members that it doesn't know as it found them.

// Versioned is a stored value whose form has had its version raised. Values that don't implement it have version 1.
type Versioned interface {
	// StoredVersion is the version of the form that this program writes, from 1 on. It reads that and all earlier ones.
	StoredVersion() int
}

const versionMember = `{"v":`

func versionOf(value any) int {
	if v, ok := value.(Versioned); ok {
		return v.StoredVersion()
	}
	return 1
}

// encode returns value as it is stored: with its version, and with what was unknown of the value that it replaces (nil:
// nothing).
func encode(value any, unknown []byte) ([]byte, error) {
	plain, err := marshal(value)
	if err != nil {
		return nil, err
	}
	if len(plain) < 2 || plain[0] != '{' {
		return nil, errors.New("it isn't an object")
	}
	if unknown != nil {
		plain = keepUnknown(unknown, plain, reflect.TypeOf(value))
	}
	separator := ","
	if len(plain) == 2 { // {}
		separator = ""
	}
	return slices.Concat([]byte(versionMember+strconv.Itoa(versionOf(value))+separator), plain[1:]), nil
}

// marshal is json.Marshal without what that does for HTML: there each & of a long address takes six bytes.
func marshal(value any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// errNewer says that a value was written in a form that this program doesn't know yet.
var errNewer = errors.New("it is of a newer release of this program")

// decodeStored decodes a stored value into into, of whose former value nothing is left. It may alter plain. unknown are
// the value's members as they are stored if into doesn't know all of them, nil otherwise.
func decodeStored(plain []byte, into any) (unknown []byte, err error) {
	version, members, err := splitVersion(plain)
	if err != nil {
		return nil, err
	}
	if version > versionOf(into) {
		return nil, errNewer
	}
	value := reflect.ValueOf(into).Elem()
	value.SetZero()
	decoder := json.NewDecoder(bytes.NewReader(members))
	decoder.DisallowUnknownFields()
	if decoder.Decode(into) == nil {
		return nil, nil
	}
	value.SetZero()
	if json.Unmarshal(members, into) != nil {
		return nil, errors.New("its value isn't what is expected")
	}
	return members, nil // it can be decoded, so a member was unknown
}

// splitVersion takes the version off a stored value. Values of the first release have none: they are of version 1.
func splitVersion(plain []byte) (version int, rest []byte, err error) {
	after, ok := bytes.CutPrefix(plain, []byte(versionMember))
	if !ok {
		return 1, plain, nil
	}
	end := max(0, bytes.IndexAny(after, ",}"))
	version, err = strconv.Atoi(string(after[:end]))
	if err != nil || version < 1 {
		return 0, nil, errors.New("its version isn't what is expected")
	}
	if after[end] == '}' {
		return version, []byte("{}"), nil
	}
	after[end] = '{'
	return version, after[end:], nil
}

// keepUnknown returns fresh, a value of type t, with the members of old that t doesn't know: of the value itself, and
// of the values inside it that are still about the same thing (see sameThing).
func keepUnknown(old, fresh json.RawMessage, t reflect.Type) json.RawMessage {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t.Implements(marshaler) || reflect.PointerTo(t).Implements(marshaler):
		return fresh
	case t.Kind() == reflect.Struct:
		known, _ := memberTypes(t)
		return mergeMembers(old, fresh, func(name string) (reflect.Type, bool) {
			t, ok := known[strings.ToLower(name)]
			return t, ok
		})
	case t.Kind() == reflect.Map:
		return mergeMembers(old, fresh, func(string) (reflect.Type, bool) { return t.Elem(), true })
	case t.Kind() == reflect.Slice && hasMembers(t.Elem()):
		return mergeItems(old, fresh, t.Elem())
	}
	return fresh
}

var marshaler = reflect.TypeFor[json.Marshaler]()

// mergeMembers gives the object fresh what the object old has and typeOf doesn't know, at any depth.
func mergeMembers(old, fresh json.RawMessage, typeOf func(name string) (t reflect.Type, known bool)) json.RawMessage {
	var before, after map[string]json.RawMessage
	if json.Unmarshal(old, &before) != nil || json.Unmarshal(fresh, &after) != nil || after == nil {
		return fresh
	}
	for name, value := range before {
		t, known := typeOf(name)
		now, there := after[name]
		switch {
		case !known && !there:
			after[name] = value
		case known && there && (t.Kind() == reflect.Struct || sameThing(value, now, t)):
			after[name] = keepUnknown(value, now, t)
		}
	}
	merged, err := marshal(after)
	if err != nil { // it was JSON before
		return fresh
	}
	return merged
}

// hasMembers says that a value of type t can hold members that this program doesn't know.
func hasMembers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return true
	case reflect.Pointer, reflect.Slice:
		return hasMembers(t.Elem())
	}
	return false
}

// mergeItems does so for the items of a list. They may have moved, so each is looked for, first in its place; one that
// was changed is the one in its place.
func mergeItems(old, fresh json.RawMessage, t reflect.Type) json.RawMessage {
	var before, after []json.RawMessage
	if json.Unmarshal(old, &before) != nil || json.Unmarshal(fresh, &after) != nil {
		return fresh
	}
	left := slices.Clone(after) // nil where one was merged
	for i, item := range before {
		known := asKnown(item, t)
		is := func(fresh json.RawMessage) bool { return fresh != nil && bytes.Equal(fresh, known) }
		at := i
		if i >= len(left) || !is(left[i]) {
			at = slices.IndexFunc(left, is)
		}
		if at < 0 && len(before) == len(after) && left[i] != nil && sameThing(item, after[i], t) {
			at = i
		}
		if at >= 0 {
			after[at], left[at] = keepUnknown(item, after[at], t), nil
		}
	}
	whole, err := marshal(after)
	if err != nil { // it was JSON before
		return fresh
	}
	return whole
}

// sameThing says that two values are about the same thing: what t knows of them is equal; or, where t is a struct, the
// first member is, by which our stored structs name what they describe. One without a name is only equal to itself.
func sameThing(old, fresh json.RawMessage, t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return true // a list or a map: its items are compared one by one
	}
	if bytes.Equal(asKnown(old, t), fresh) {
		return true
	}
	var a, b map[string]json.RawMessage
	if json.Unmarshal(old, &a) != nil || json.Unmarshal(fresh, &b) != nil {
		return false
	}
	_, first := memberTypes(t)
	name := string(a[first])
	return !slices.Contains([]string{"", `""`, "0", "null"}, name) && name == string(b[first])
}

// asKnown is old with no more than what t knows of it, as this program encodes it; nil if it isn't a t.
func asKnown(old json.RawMessage, t reflect.Type) []byte {
	value := reflect.New(t)
	if json.Unmarshal(old, value.Interface()) != nil {
		return nil
	}
	known, err := marshal(value.Interface())
	if err != nil {
		return nil
	}
	return known
}

// memberTypes are the types of a struct's members by their names in lower case (encoding/json ignores case), and the name
// of the first, "" if it has none.
func memberTypes(t reflect.Type) (known map[string]reflect.Type, first string) {
	known = map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		if name := memberName(f); name != "" {
			known[strings.ToLower(name)] = f.Type
			first = cmp.Or(first, name)
		}
	}
	return known, first
}

// memberName is what encoding/json calls a field, "" if the field isn't encoded, or is a struct whose fields are.
func memberName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	switch {
	case name == "-", !f.IsExported(), f.Anonymous && name == "":
		return ""
	case name == "":
		return f.Name
	}
	return name
}
