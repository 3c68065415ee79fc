package web

import (
	"cmp"

	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/plaintext"
	"github.com/patdesk/patdesk/templates"
)

// BulkVerbs are what can be done with many tokens at once, by the word in addresses.
var BulkVerbs = map[string]operation.Action{"rotate": operation.Rotate, "extend": operation.Update, "revoke": operation.Revoke}

// BulkVerb is the word for an action.
func BulkVerb(a operation.Action) string {
	for verb, action := range BulkVerbs {
		if action == a {
			return verb
		}
	}
	return ""
}

// OperationWords is what the catalogue's sentences about an operation can name.
func OperationWords(v *Request, op *operation.Operation) map[string]any {
	words := map[string]any{
		"Organization": op.Organization, "Token": plaintext.InSentence(OperationToken(v.Words, op)), "Action": string(op.Action),
		"Until": v.When(op.SecretUntil).Relative, "Asked": v.When(op.Want.ValidTo).Date, "Sent": v.When(op.Started).Clock,
	}
	if v.Now.Before(op.LookUntil) && (op.State != operation.Unknown || !op.Dismissed) {
		words["LookUntil"] = v.When(op.LookUntil).Clock
	}
	if !op.RevokeAt.IsZero() {
		at := v.When(op.RevokeAt)
		words["Date"], words["Clock"] = at.Date, at.Clock
	}
	if op.Into != nil {
		words["Secret"] = op.Into.Secret.String()
	}
	if op.Result != nil {
		words["Granted"] = v.When(op.Result.ValidTo).Date
	}
	return words
}

// OperationToken names the token that an operation is about.
func OperationToken(w *templates.Words, op *operation.Operation) string {
	return cmp.Or(visible(op.Want.DisplayName), NameOf(op.Before), NameOf(op.Result), w.Message("token.unnamed", nil).Title)
}
