package tokenlist

import (
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/templates"
)

func GlobalNote(now time.Time) string { return GlobalText("global.", now).What }

// GlobalTokenNote is GlobalNote on the page of one global token.
func GlobalTokenNote(now time.Time) string { return GlobalText("global.token.", now).What }

// GlobalEnds says when an active token stops before it expires, "" if it doesn't.
func GlobalEnds(t inventory.Token, now time.Time) string {
	if !t.Global() || t.Status != azuredevops.Active || t.ValidTo.Before(inventory.GlobalTokensEnd) {
		return ""
	}
	return GlobalText("global.ends.", now).Title
}

func GlobalText(prefix string, now time.Time) templates.Text {
	if now.Before(inventory.GlobalTokensEnd) {
		return templates.Message(prefix+"before", map[string]any{"When": templates.At(inventory.GlobalTokensEnd, now).Relative})
	}
	return templates.Message(prefix+"after", nil)
}
