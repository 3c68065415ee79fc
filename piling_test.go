package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/session/redisstore/redistest"
	"github.com/patdesk/patdesk/internal/simulator"
)

// A store that is there and refuses writes is noticed: /readyz says no, the log says why, /healthz stays as it is; and when
// it takes writes again, all is well by itself.
func TestReadyzNoticesAStoreThatRefusesWrites(t *testing.T) {
	t.Parallel()
	for _, fault := range storeFaults(t) {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			sim := simulator.New(simulator.Options{})
			must(t, sim.Start(t.Context()))
			t.Cleanup(sim.Close)
			wantNoticed(t, startDeskOn(t, sim, deskOptions{}, fault.dir), "", fault.spoil, fault.mend)
		})
	}
	t.Run("Redis is full", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		d := startReplicas(t, "redis://"+server.Addr, 1).desks[0]
		wantNoticed(t, d, "OOM", server.Fill, server.Empty)
	})
}

func wantNoticed(t *testing.T, d *desk, reason string, spoil, mend func()) {
	t.Helper()
	ready := func() int { answer, _ := scrape(t, http.MethodGet, d.url+"/readyz"); return answer.StatusCode }
	if status := ready(); status != http.StatusOK {
		t.Fatalf("before: %d", status)
	}
	spoil()
	begun := time.Now()
	until(t, "it isn't ready", func() bool { return ready() == http.StatusServiceUnavailable })
	if took := time.Since(begun); took > 6*time.Second {
		t.Errorf("noticed after %v", took)
	}
	if answer, _ := scrape(t, http.MethodGet, d.url+"/healthz"); answer.StatusCode != http.StatusOK {
		t.Errorf("/healthz: %d", answer.StatusCode)
	}
	if log := d.log.String(); !strings.Contains(log, "can't be reached or written") || !strings.Contains(log, reason) {
		t.Errorf("the log doesn't say why:\n%s", log)
	}
	mend()
	until(t, "it is ready again", func() bool { return ready() == http.StatusOK })
}
