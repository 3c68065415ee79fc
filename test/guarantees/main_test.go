// Package guarantees shows what docs/guarantees.md promises of changes and secrets: the whole program, also as
// processes that are killed, over networks and stores that fail.
package guarantees

import (
	"testing"

	"github.com/patdesk/patdesk/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }
