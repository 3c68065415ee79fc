// Package changes has the pages of operations: how one stands, the steps that finish it, and the list of the last ones.
package changes

import (
	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/outcome"
	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/operation"
)

// Handlers are the actions of this area.
type Handlers struct {
	Site     *web.Site
	Journal  *operation.Journal
	Batches  *batch.Batches
	Outcomes outcome.Outcomes
}
