package testkit

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Names of the environment that say how much tests try.
const (
	longEnv   = "PATDESK_LONG"   // anything: everything, as "make test-long" does
	sampleEnv = "PATDESK_SAMPLE" // a number: which samples; unset: those of the day
)

// sampled are the tests whose log says so.
var sampled sync.Map

// Long reports whether tests try everything they know. Without it those that go through a large product try a Sample.
func Long() bool { return os.Getenv(longEnv) != "" }

// Sample returns n of all, in their order; all of them in a long run. Each day has others, so that after len(all)/n days,
// rounded up, every one was tried. The test's log says how to try the same ones again.
func Sample[T any](t testing.TB, n int, all []T) []T {
	t.Helper()
	if Long() || n >= len(all) {
		return all
	}
	number := sampleNumber(t)
	order := rand.New(rand.NewPCG(0, uint64(len(all)))).Perm(len(all)) // neighbours are often alike
	picked := make([]int, n)
	for i := range picked {
		picked[i] = order[(number*n+i)%len(all)]
	}
	slices.Sort(picked)
	sample := make([]T, n)
	for i, at := range picked {
		sample[i] = all[at]
	}
	if _, again := sampled.LoadOrStore(t.Name(), true); !again {
		t.Logf("samples only: %s=%d tries the same ones, make test-long everything", sampleEnv, number)
	}
	return sample
}

// SampleFor is Sample for the i-th of a series that is tried with some of all each: the next one gets others.
func SampleFor[T any](t testing.TB, i, n int, all []T) []T {
	t.Helper()
	from := i % len(all)
	return Sample(t, n, slices.Concat(all[from:], all[:from]))
}

func sampleNumber(t testing.TB) int {
	t.Helper()
	const day = 24 * time.Hour
	text := os.Getenv(sampleEnv)
	if text == "" {
		return int(time.Now().Unix() / int64(day/time.Second))
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 0 {
		t.Fatalf("%s=%q is no number", sampleEnv, text)
	}
	return number
}
