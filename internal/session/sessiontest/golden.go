package sessiontest

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/session"
)

var goldenFile = regexp.MustCompile(`^([a-z]+)\.v([0-9]+)(?:\.[0-9]+)?\.json$`)

// Golden holds the kinds of records that a package keeps against testdata/records: <kind>.v<version>.json is a record
// with every field set as the first release with that version wrote it, <kind>.v<version>.<n>.json one with fields that
// were added since. It fails if a member of such a record isn't read, or not written again, under its name; if a field
// has no explicit name; and if a field stands in no file. Files are added, never changed: stores hold what they show.
//
// kinds are pointers to what is stored, by kind.
func Golden(t *testing.T, kinds map[string]any) {
	t.Helper()
	shown := map[string]map[string]bool{} // paths of members by kind, of the version that is written now
	entries, err := os.ReadDir(filepath.Join("testdata", "records"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		m := goldenFile.FindStringSubmatch(e.Name())
		if m == nil || kinds[m[1]] == nil {
			t.Errorf("%s is no record of a kind that is kept", e.Name())
			continue
		}
		t.Run(e.Name(), func(t *testing.T) {
			members := readGolden(t, e.Name(), m[1], kinds[m[1]])
			if version, _ := strconv.Atoi(m[2]); version == currentVersion(kinds[m[1]]) {
				if shown[m[1]] == nil {
					shown[m[1]] = map[string]bool{}
				}
				maps.Copy(shown[m[1]], members)
			}
		})
	}
	for kind, value := range kinds {
		for _, path := range fieldPaths(t, reflect.TypeOf(value).Elem(), "") {
			if !shown[kind][path] {
				t.Errorf("%s: the field %s stands in no file: add testdata/records/%s.v%d.<n>.json with a value for it", kind, path, kind, currentVersion(value))
			}
		}
	}
}

func currentVersion(value any) int {
	if v, ok := value.(session.Versioned); ok {
		return v.StoredVersion()
	}
	return 1
}

// readGolden reads the file as a stored record, and returns the paths of its members.
func readGolden(t *testing.T, file, kind string, value any) map[string]bool {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", "records", file))
	if err != nil {
		t.Fatal(err)
	}
	manager, err := session.New(NewMemory(time.Now), session.Options{Keys: [][]byte{make([]byte, session.KeySize)}, IdleTimeout: time.Hour, Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	key := session.Key{Kind: kind, ID: "golden"}
	manager.Records().Declare(session.Bound{Kind: key.Kind, Each: session.MaxValue})
	if err := manager.Records().Create(t.Context(), key, json.RawMessage(content), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	into := reflect.New(reflect.TypeOf(value).Elem()).Interface()
	if err := manager.Records().Get(t.Context(), key, into); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(into)
	if err != nil {
		t.Fatal(err)
	}
	before, after := members(t, content), members(t, again)
	for path, text := range before {
		if now, ok := after[path]; !ok {
			t.Errorf("the member %s isn't known", path)
		} else if now != text {
			t.Errorf("the member %s was %s and is written as %s", path, text, now)
		}
	}
	paths := map[string]bool{}
	for path := range before {
		paths[path] = true
	}
	return paths
}

// members are the leaves of a JSON value by their paths. Items of a list share a path, as do the values of a map with
// keys that aren't names.
func members(t *testing.T, content []byte) map[string]string {
	t.Helper()
	var value any
	if err := json.Unmarshal(content, &value); err != nil {
		t.Fatal(err)
	}
	leaves := map[string]string{}
	var walk func(v any, path string)
	walk = func(v any, path string) {
		switch v := v.(type) {
		case map[string]any:
			for name, inner := range v {
				if strings.HasPrefix(name, "key of ") {
					name = "*"
				}
				walk(inner, strings.TrimPrefix(path+"."+name, "."))
			}
		case []any:
			for _, inner := range v {
				walk(inner, path)
			}
		default:
			text, _ := json.Marshal(v) // it was JSON before
			leaves[path] = string(text)
		}
	}
	walk(value, "")
	return leaves
}

var timeType = reflect.TypeFor[time.Time]()

// fieldPaths are the paths of what a type is stored as, like those of members.
func fieldPaths(t *testing.T, typ reflect.Type, path string) []string {
	t.Helper()
	switch typ.Kind() {
	case reflect.Pointer:
		return fieldPaths(t, typ.Elem(), path)
	case reflect.Slice:
		if typ.Elem().Kind() == reflect.Uint8 {
			return nil // text, or what isn't this package's
		}
		return fieldPaths(t, typ.Elem(), path)
	case reflect.Map:
		return fieldPaths(t, typ.Elem(), path+".*")
	case reflect.Struct:
		if typ == timeType {
			return []string{path}
		}
	default:
		return []string{path}
	}
	var paths []string
	for _, f := range reflect.VisibleFields(typ) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case !f.IsExported() || f.Anonymous || name == "-":
			continue
		case name == "":
			t.Errorf("%s.%s is stored without an explicit name", typ, f.Name)
			continue
		}
		paths = append(paths, fieldPaths(t, f.Type, strings.TrimPrefix(path+"."+name, "."))...)
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}
