// Package proxies tries the whole program behind real reverse proxies with the configurations of deploy/proxy.
package proxies

import (
	"testing"

	"github.com/patdesk/patdesk/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }
