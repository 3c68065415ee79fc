package config

import (
	"strings"
	"testing"
)

// Where nothing is tested, and where files have no modes, that is said.
func TestWarnOfSystem(t *testing.T) {
	for _, test := range []struct {
		system string
		redis  *Redis
		want   []string
	}{
		{"linux", nil, nil},
		{"darwin", nil, []string{"darwin: "}},
		{"windows", nil, []string{"windows: ", "SESSION_DIR: "}},
		{"windows", &Redis{}, []string{"windows: "}},
	} {
		var s source
		s.warnOfSystem(test.system, Config{Redis: test.redis})
		if len(s.warnings) != len(test.want) {
			t.Fatalf("%s: %q", test.system, s.warnings)
		}
		for i, w := range test.want {
			if !strings.HasPrefix(s.warnings[i], w) {
				t.Errorf("%s: %q, want %q", test.system, s.warnings[i], w)
			}
		}
	}
}
