package simulator_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/patdesk/patdesk/internal/simulator"
)

// A held call waits for its release and no longer, before or after it is done; the calls beside it don't.
func TestHold(t *testing.T) {
	t.Parallel()
	for _, afterDoing := range []bool{false, true} {
		sim := simulator.New(simulator.Options{})
		if err := sim.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(sim.Close)
		other := sim.Hold(simulator.CallUnknown, "contoso", afterDoing)
		held := sim.Hold(simulator.CallMetadata, "", afterDoing)
		ask := func() int {
			r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, sim.Authority()+"/v2.0/.well-known/openid-configuration", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := sim.Client().Do(r)
			if err != nil {
				t.Error(err)
				return 0
			}
			defer answer.Body.Close()
			return answer.StatusCode
		}
		status := make(chan int)
		go func() { status <- ask() }()
		<-held.Reached()
		if got := ask(); got != http.StatusOK {
			t.Errorf("a call beside the held one: %d", got)
		}
		select {
		case got := <-status:
			t.Errorf("answered %d before the release", got)
		default:
		}
		held.Release()
		if got := <-status; got != http.StatusOK {
			t.Errorf("after the release: %d", got)
		}
		select {
		case <-other.Reached():
			t.Error("another call was taken for the held one")
		default:
		}
	}
}
