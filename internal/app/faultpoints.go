//go:build faultpoints

package app

import (
	"context"
	"fmt"
	"os"
	"time"
)

// A program built with the tag faultpoints is for tests (see also internal/operation/faultpoints.go). Minutes can pass
// as seconds in it: PATDESK_CLOCK, "1700000000000000000 60", makes its clock run sixty times faster since that moment,
// in nanoseconds since 1970, and its pauses as much shorter. PATDESK_CALL_TIMEOUT and PATDESK_STOP_TIMEOUT are real
// time.
func init() {
	var since, rate int64
	clock := os.Getenv("PATDESK_CLOCK")
	if clock == "" {
		return
	}
	if _, err := fmt.Sscan(clock, &since, &rate); err != nil || rate < 1 {
		panic("PATDESK_CLOCK: " + clock)
	}
	prepareOptions = func(o *Options) {
		start := time.Unix(0, since)
		o.Now = func() time.Time { return start.Add(time.Duration(rate) * time.Since(start)) }
		o.Pause = func(ctx context.Context, d time.Duration) error {
			ctx, cancel := context.WithTimeout(ctx, d/time.Duration(rate))
			defer cancel()
			<-ctx.Done()
			if ctx.Err() == context.DeadlineExceeded {
				return nil
			}
			return ctx.Err()
		}
		o.CallTimeout, _ = time.ParseDuration(os.Getenv("PATDESK_CALL_TIMEOUT")) // 0: the usual one
		o.StopTimeout, _ = time.ParseDuration(os.Getenv("PATDESK_STOP_TIMEOUT"))
	}
}
