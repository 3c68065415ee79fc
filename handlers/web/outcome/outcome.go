// Package outcome shows what became of operations: the page of one, which also stands among the results of several, and
// the words for its state. Several areas answer with it.
package outcome

import "github.com/patdesk/patdesk/internal/operation"

// Outcomes describes operations.
type Outcomes struct {
	Journal *operation.Journal
	Demo    bool // secrets are made up
}
