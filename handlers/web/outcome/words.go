package outcome

import (
	"strings"
	"time"

	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/operation"
)

// Organizations counts those that a batch changes tokens of.
func Organizations(b *batch.Batch) int {
	names := map[string]bool{}
	for _, item := range b.Items {
		names[strings.ToLower(item.Organization)] = true
	}
	return len(names)
}

// SuccessKey names the sentence for a change that succeeded.
func SuccessKey(op *operation.Operation) string {
	key := map[operation.Action]string{
		operation.Create: "operation.created", operation.Update: "operation.updated",
		operation.Revoke: "operation.revoked", operation.Rotate: "operation.rotated",
	}[op.Action]
	switch {
	case Shortened(op):
		key += "Shortened"
	case op.Action == operation.Revoke && op.Before != nil && op.Before.Global():
		key = "operation.revokedGlobal"
	}
	return key
}

// Shortened says that the service gave an earlier end than was asked for. It rounds to hundredths of a second and,
// where a policy says so, cuts; a minute separates the two.
func Shortened(op *operation.Operation) bool {
	return op.Result != nil && !op.Result.ValidTo.IsZero() && !op.Want.ValidTo.IsZero() && op.Want.ValidTo.Sub(op.Result.ValidTo) > time.Minute
}
