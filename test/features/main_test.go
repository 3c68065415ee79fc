// Package features tries what people do with the whole program, over HTTP against the simulator.
package features

import (
	"testing"

	"github.com/patdesk/patdesk/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }
