// Package bench measures what pages cost in the program as it is released, beside a bare reverse proxy that passes the
// same call on: "make bench" prints ratios, and each run of the tests holds what doesn't depend on the machine against
// what was recorded.
package bench

import (
	"flag"
	"os"
	"testing"

	"github.com/patdesk/patdesk/internal/testkit"
)

var (
	load   = flag.Bool("load", false, "load the program and the floor with wrk, and print how they compare")
	lasts  = flag.Duration("lasts", 0, "how long each measurement lasts; 0: 5 s")
	record = flag.Bool("record", false, "record what a page costs now")
)

func TestMain(m *testing.M) {
	if upstream := os.Getenv(floorsUpstream); upstream != "" {
		serveFloor(upstream)
		return
	}
	testkit.Main(m)
}
