package preflight

import (
	"testing"

	"github.com/patdesk/patdesk/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }
