package web

import (
	"cmp"
	"slices"
	"time"

	"github.com/patdesk/patdesk/internal/operation"
)

// Notice is a banner. Kind: "secret", "rotation", "running", "unknown", "done" or "warning".
type Notice struct {
	Kind, Text, LinkText, URL string
	until                     time.Time // when a secret is deleted; zero for everything else
}

// urgency is the order of the kinds in the frame: a secret is lost for good, an outcome that isn't known may be asked for
// twice, and what runs needs no one.
var urgency = []string{"warning", "secret", "unknown", "rotation", "running"}

// byUrgency sorts the banners of the frame. It shows the first and all secrets, and folds the others.
func byUrgency(notices []Notice) {
	slices.SortStableFunc(notices, func(a, b Notice) int {
		return cmp.Or(slices.Index(urgency, a.Kind)-slices.Index(urgency, b.Kind), a.until.Compare(b.until))
	})
}

// pending is what needs the visitor, as it stood when the page was first about it: a page shows it in several places.
type pending struct {
	operations []operation.Operation
	err        error
}

// notices lists what waits for the person, on every page but the one that it leads to.
func (s *Site) notices(v *Request) []Notice {
	pending, err := v.Pending()
	if err != nil {
		s.Log.WarnContext(v.Context(), "unfinished operations could not be listed", "error", err)
		return []Notice{{Kind: "warning", Text: v.Words.Message("notice.unreadable", nil).What}}
	}
	s.Journal.LookSoon(v.Context(), v.Caller(), VaultCaller(v), v.Person(), pending)
	secrets := map[string]waiting{}
	for i := range pending {
		if kind, _ := NoticeKind(&pending[i]); kind == "secret" {
			secrets[pending[i].Batch] = secrets[pending[i].Batch].and(&pending[i])
		}
	}
	out, batches, err := s.batchNotices(v, secrets)
	if err != nil {
		s.Log.WarnContext(v.Context(), "unfinished batches could not be listed", "error", err)
		out = []Notice{{Kind: "warning", Text: v.Words.Message("notice.unreadable", nil).What}}
	}
	for i := range pending {
		op := &pending[i]
		if v.URL.Path == OperationPath(op.ID) || batches[op.Batch] { // the batch's banner stands for all of its operations
			continue
		}
		kind, key := NoticeKind(op)
		text := v.Words.Message(key, OperationWords(v, op))
		out = append(out, Notice{Kind: kind, Text: text.What, LinkText: text.Title, URL: v.Link(OperationPath(op.ID)), until: op.SecretUntil})
	}
	byUrgency(out)
	return out
}

// waiting are the secrets of a batch that wait to be saved.
type waiting struct {
	count       int
	undelivered int       // that couldn't be put into their vault
	until       time.Time // when the first is deleted
}

func (w waiting) and(op *operation.Operation) waiting {
	if w.count == 0 || op.SecretUntil.Before(w.until) {
		w.until = op.SecretUntil
	}
	w.count++
	if op.Phase() == operation.PhaseUndelivered {
		w.undelivered++
	}
	return w
}

// NoticeKind says which banner an unfinished operation gets: the most pressing first.
func NoticeKind(op *operation.Operation) (kind, key string) {
	switch op.Phase() {
	case operation.PhaseSecretWaiting:
		return "secret", "notice.secretWaiting"
	case operation.PhaseDelivering:
		return "secret", "notice.delivering"
	case operation.PhaseUndelivered:
		return "secret", "notice.undelivered"
	case operation.PhaseUnderWay:
		if op.Action == operation.Create || op.Action == operation.Rotate {
			return "secret", "notice.secretComing"
		}
		return "unknown", "notice.inProgress"
	case operation.PhaseFound:
		return "unknown", "notice.found"
	case operation.PhaseSecretUnkept, operation.PhaseOrphaned, operation.PhaseTakenBack:
		return "unknown", "notice.secretUnkept"
	case operation.PhaseHalfWay:
		return "rotation", "notice.rotation"
	case operation.PhaseScheduled:
		return "running", "notice.scheduled"
	case operation.PhaseMissed:
		return "rotation", "notice.missed"
	case operation.PhasePreviousEnabled:
		return "rotation", "notice.previousEnabled"
	case operation.PhaseSecretExpired:
		if op.OldOpen() {
			return "rotation", "notice.rotation"
		}
		return "unknown", "notice.secretExpired"
	default:
		return "unknown", "notice.unknown"
	}
}

// batchNotices are the banners of batches that aren't finished. secrets are those that wait to be saved, by batch.
func (s *Site) batchNotices(v *Request, secrets map[string]waiting) (out []Notice, open map[string]bool, err error) {
	batches, err := s.Batches.Open(v.Context(), v.Person())
	if err != nil {
		return nil, nil, err
	}
	open = map[string]bool{}
	for _, b := range batches {
		open[b.ID] = true
		if v.URL.Path == BatchPath(b.ID) {
			continue
		}
		kind, key, count := "unknown", "notice.batch."+BulkVerb(b.Action), b.Count
		switch {
		case b.Running:
			kind, key = "running", "notice.batchRunning."+BulkVerb(b.Action)
		case secrets[b.ID].undelivered > 0:
			kind, key, count = "secret", "notice.batchUndelivered", secrets[b.ID].undelivered
		case secrets[b.ID].count > 0:
			kind, key, count = "secret", "notice.batchSecrets", secrets[b.ID].count
		}
		text := v.Words.Message(key, map[string]any{"Count": count, "Until": v.When(secrets[b.ID].until).Relative})
		out = append(out, Notice{Kind: kind, Text: text.What, LinkText: text.Title, URL: v.Link(BatchPath(b.ID)), until: secrets[b.ID].until})
	}
	return out, open, nil
}

// Pending reads what needs the visitor, once for each request.
func (v *Request) Pending() ([]operation.Operation, error) {
	if v.pending == nil {
		all, err := v.site.Journal.Pending(v.Context(), v.Person())
		v.pending = &pending{all, err}
	}
	return v.pending.operations, v.pending.err
}
