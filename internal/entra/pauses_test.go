package entra

import (
	"errors"
	"strconv"
	"testing"
	"time"
)

// However many sessions' refreshes fail, so many pauses are kept, and the last one is.
func TestPausesAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	p := newPauses(func() time.Time { return now })
	for i := range manyPauses + 1000 {
		p.start(strconv.Itoa(i), errors.New("refused"), time.Minute)
	}
	if last := p.err(strconv.Itoa(manyPauses + 999)); p.rest.Len() != manyPauses || last == nil {
		t.Errorf("%d pauses are kept, the last one: %v", p.rest.Len(), last)
	}
}
