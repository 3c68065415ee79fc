package session_test

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/session"
)

func TestParseKeys(t *testing.T) {
	t.Parallel()
	a, b := bytes.Repeat([]byte{0xfb}, 32), bytes.Repeat([]byte{0xff}, 40)
	std, url, raw := base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding
	for _, c := range []struct {
		name, text string
		want       [][]byte // nil: refused
	}{
		{"one", std.EncodeToString(a), [][]byte{a}},
		{"newest first", std.EncodeToString(b) + "," + std.EncodeToString(a), [][]byte{b, a}},
		{"lines", "\n" + url.EncodeToString(b) + "\r\n" + raw.EncodeToString(a) + "\n\n", [][]byte{b, a}},
		{"none", " \n", nil},
		{"too short", std.EncodeToString(a[:31]), nil},
		{"one too short", std.EncodeToString(a) + " " + std.EncodeToString(a[:31]), nil},
		{"not base64", "correct horse battery staple, correct horse battery staple", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := session.ParseKeys(c.text)
			if (err == nil) != (c.want != nil) || len(got) != len(c.want) {
				t.Fatalf("ParseKeys = %d keys, %v; want %d", len(got), err, len(c.want))
			}
			for i := range got {
				if !bytes.Equal(got[i], c.want[i]) {
					t.Errorf("key %d is another", i)
				}
			}
			if err != nil && strings.Contains(err.Error(), "correct") {
				t.Errorf("the error repeats the key: %v", err)
			}
		})
	}
}

func TestKeysAreMadeOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data", "sessions")
	first, err := session.LoadOrCreateKeys(dir)
	if err != nil || len(first) != 1 || len(first[0]) != session.KeySize || bytes.Equal(first[0], make([]byte, session.KeySize)) {
		t.Fatalf("LoadOrCreateKeys = %d keys, %v", len(first), err)
	}
	again, err := session.LoadOrCreateKeys(dir)
	if err != nil || len(again) != 1 || !bytes.Equal(again[0], first[0]) {
		t.Errorf("the second time: %d keys, %v", len(again), err)
	}
	other, err := session.LoadOrCreateKeys(t.TempDir())
	if err != nil || bytes.Equal(other[0], first[0]) {
		t.Errorf("another folder has the same key (%v)", err)
	}

	file := filepath.Join(dir, "keys")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	added := base64.StdEncoding.EncodeToString(testKey('n')) + "\n"
	if err := os.WriteFile(file, append([]byte(added), content...), 0o600); err != nil {
		t.Fatal(err)
	}
	both, err := session.LoadOrCreateKeys(dir)
	if err != nil || len(both) != 2 || !bytes.Equal(both[0], testKey('n')) || !bytes.Equal(both[1], first[0]) {
		t.Errorf("with a key put above: %d keys, %v", len(both), err)
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		spoil func(file string) error
	}{
		{"empty", func(file string) error { return os.WriteFile(file, nil, 0o600) }},
		{"cut", func(file string) error { return os.Truncate(file, 20) }},
		{"readable by the group", func(file string) error { return os.Chmod(file, 0o640) }},
		{"writable by others", func(file string) error { return os.Chmod(file, 0o602) }},
		{"a link", func(file string) error {
			if err := os.Rename(file, file+".real"); err != nil {
				return err
			}
			return os.Symlink("keys.real", file)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := session.LoadOrCreateKeys(dir); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "keys")
			if err := c.spoil(file); err != nil {
				t.Fatal(err)
			}
			before, _ := os.ReadFile(file)
			if keys, err := session.LoadOrCreateKeys(dir); err == nil {
				t.Errorf("LoadOrCreateKeys = %d keys, want it refused", len(keys))
			}
			if after, _ := os.ReadFile(file); !bytes.Equal(before, after) {
				t.Error("the file was replaced")
			}
		})
	}
}
