package operation

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
)

// A refusal is the service's word that nothing was made. But not every refusal is the word of the part that makes
// tokens: what throttles requests, signs people in or gives up on a slow request stands before it. Were such a word wrong,
// there would be a token that nobody knows of. So it is looked behind; until that has been done, the operation stays
// Doubtful, over the end of the process too.

// doubtPatience is the longest wait asked for with a refusal after which a worker still looks behind it by itself.
// Beyond that, whoever opens the operation's page makes it look.
const doubtPatience = 2 * time.Minute

// A worker looks so often, with pauses that begin with this one and become four times as long each time: few enough not
// to be what pauses an organization (internal/azuredevops, tripAfter).
const (
	doubtTries = 3
	doubtPause = 2 * time.Second
)

// doubtful says that a refusal need not come from the part of the service that makes tokens. 401 does: nobody was let in.
func doubtful(err error) bool {
	var e *azuredevops.Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Status == http.StatusTooManyRequests || e.Status == http.StatusRequestTimeout ||
		e.Status == http.StatusNonAuthoritativeInfo || e.Status/100 == 3
}

// answerRefusal lands the flight of a creation that was refused or has no known outcome. It looks behind a doubtful
// refusal before, unless the service asked for a pause: then the person needn't wait for that.
func (w *work) answerRefusal(ctx context.Context) {
	if w.record.Doubtful && w.record.Failure.RetryAfter == 0 {
		_ = w.lookBehind(ctx) // if it can't be seen, the operation stays doubtful
	}
	w.landed()
}

// dispelDoubt looks behind a refusal once the pause is over that the service asked for. Meanwhile the operation isn't
// locked, and a graceful stop doesn't wait: the record says what is still to be seen.
func (w *work) dispelDoubt(ctx context.Context) {
	if !w.record.Doubtful || w.record.Failure.RetryAfter > doubtPatience {
		return
	}
	wait := max(w.record.Failure.RetryAfter, doubtPause)
	for try := 0; try < doubtTries && w.record.Doubtful; try, wait = try+1, wait*4 {
		w.pause(w.ending, wait)
		if w.ending.Err() != nil {
			return
		}
		_, _ = w.underLock(ctx, w.service, w.record.Person, w.record.ID, func(ctx context.Context, again *work) error {
			err := again.reconcile(ctx)
			w.record = again.record
			return err
		})
	}
}

// lookBehind looks if a creation that was refused was made all the same. While another operation of the person is making
// a token of the same name (the next try, perhaps), what is seen may be that one's, and nothing is said yet.
func (w *work) lookBehind(ctx context.Context) error {
	fitting, lookErr := w.look(ctx)
	if len(fitting) > 0 && w.othersAtWork(ctx) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	err := w.change(ctx, w.record, func(r *record) error {
		switch {
		case !r.Doubtful:
			return errUnchanged
		case len(fitting) > 0:
			r.State, r.Candidates, r.Reconciled = Unknown, fitting, lookErr == nil
		case lookErr != nil:
			return errUnchanged
		}
		r.Doubtful = false
		return nil
	})
	return errors.Join(lookErr, err)
}

// othersAtWork says if another operation of the person is making a token of the same name.
func (w *work) othersAtWork(ctx context.Context) (is bool) {
	err := w.eachRecord(ctx, w.record.Person, func(r *record) {
		if r.ID != w.record.ID && r.makes() && sameName(r.Want.DisplayName, w.record.Want.DisplayName) {
			w.buryIfDead(ctx, r)
			is = is || r.State == Sent
		}
	})
	return is && err == nil
}
