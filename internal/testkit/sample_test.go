package testkit

import (
	"slices"
	"strconv"
	"testing"
)

// Samples of one day after the other leave nothing out, and a long run is whole.
func TestSample(t *testing.T) {
	t.Setenv(longEnv, "")
	all := []int{10, 11, 12, 13, 14, 15, 16}
	for first := range 20 {
		seen := map[int]bool{}
		for run := range 4 { // 7 in samples of 2
			t.Setenv(sampleEnv, strconv.Itoa(first+run))
			sample := Sample(t, 2, all)
			if len(sample) != 2 || sample[0] >= sample[1] || !slices.Equal(sample, Sample(t, 2, all)) {
				t.Fatalf("sample %d is %v", first+run, sample)
			}
			seen[sample[0]], seen[sample[1]] = true, true
		}
		if len(seen) != len(all) {
			t.Errorf("four samples from %d on have %v", first, seen)
		}
	}
	for _, n := range []int{1, 3} {
		seen := map[int]int{}
		for i := range 14 { // twice the length
			for _, one := range SampleFor(t, i, n, all) {
				seen[one]++
			}
		}
		for _, one := range all {
			if seen[one] != 2*n {
				t.Errorf("in a series with %d each: %v", n, seen)
			}
		}
	}
	if sample := Sample(t, 7, all); !slices.Equal(sample, all) {
		t.Errorf("as many as there are: %v", sample)
	}
	t.Setenv(longEnv, "1")
	if sample := Sample(t, 2, all); !slices.Equal(sample, all) {
		t.Errorf("in a long run: %v", sample)
	}
}
