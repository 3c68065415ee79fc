package templates_test

import (
	"fmt"
	"slices"
	"testing"
)

func TestOrder(t *testing.T) {
	t.Parallel()
	names := []string{"zeta", "Émile", "build 2", "Ärger", "alpha", "build-1", "emil", "Zeta", "", "名前", "build 1"}
	slices.SortStableFunc(names, english.Order())
	want := []string{"", "alpha", "Ärger", "build 1", "build 2", "build-1", "emil", "Émile", "zeta", "Zeta", "名前"}
	if !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
}

func BenchmarkOrder(b *testing.B) {
	names := make([]string, 5000)
	for i := range names {
		names[i] = fmt.Sprintf("token %d of team %d", i*7919%5000, i%13)
	}
	for b.Loop() {
		slices.SortStableFunc(slices.Clone(names), english.Order())
	}
}
