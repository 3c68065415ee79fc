package tokenlist

import (
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/templates"
)

// GlobalNote says what happens to global tokens, or has happened.
func GlobalNote(w *templates.Words, now time.Time) string { return GlobalText(w, "global.", now).What }

// GlobalTokenNote is GlobalNote on the page of one global token.
func GlobalTokenNote(w *templates.Words, now time.Time) string {
	return GlobalText(w, "global.token.", now).What
}

// GlobalEnds says when an active token stops before it expires, "" if it doesn't.
func GlobalEnds(w *templates.Words, t inventory.Token, now time.Time) string {
	if !t.Global() || t.Status != azuredevops.Active || t.ValidTo.Before(inventory.GlobalTokensEnd) {
		return ""
	}
	return GlobalText(w, "global.ends.", now).Title
}

// GlobalText is the message with that prefix for the time before or after global tokens end.
func GlobalText(w *templates.Words, prefix string, now time.Time) templates.Text {
	if now.Before(inventory.GlobalTokensEnd) {
		return w.Message(prefix+"before", map[string]any{"When": w.At(inventory.GlobalTokensEnd, now).Relative})
	}
	return w.Message(prefix+"after", nil)
}
