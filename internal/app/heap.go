package app

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	heapRoom   = 24 << 20 // bytes that are allocated at least before the heap is collected again
	maxPercent = 800      // what that may come to of what is in use
	minPercent = 25       // Go has 100, which doubles what caches take
)

// LetHeapGrow has garbage collected less often than Go would by itself while little is in use: with 6 MB in use it
// would be after every sixth page, which takes a sixth of the time of all. With more than heapRoom in use it is more
// often, so that memory stays small, but not before a quarter of what is in use was allocated. A GOGC in the environment
// decides instead. It is for the process as a whole, so only main calls it.
func LetHeapGrow() {
	if os.Getenv("GOGC") != "" {
		return
	}
	percent := 0
	var adjust func(*collected)
	adjust = func(c *collected) {
		sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(sample)
		if now := percentFor(sample[0].Value.Uint64()); now != percent {
			percent = now
			debug.SetGCPercent(percent)
		}
		runtime.SetFinalizer(c, adjust)
	}
	adjust(&collected{})
}

// collected is found unused by each collection, and used again by its finalizer.
type collected struct{ _ [16]byte }

// percentFor is the value of GOGC that leaves heapRoom, in steps, as setting it stops the program for a moment.
func percentFor(live uint64) int {
	const step = 5
	percent := heapRoom * 100 / max(live, 1)
	return int(min(max(percent/step*step, minPercent), maxPercent))
}
