// Package security shows what docs/security.md promises of sign-in, sessions and pages.
package security

import (
	"testing"

	"github.com/patdesk/patdesk/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }
