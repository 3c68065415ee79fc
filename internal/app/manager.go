package app

import (
	"context"
	"time"
)

// statusEvery is how often the service manager gets a report whether the program can do its work.
const statusEvery = 10 * time.Second

// reportToManager keeps the service manager up to date until ctx ends: that the program isn't stuck, and whether its
// store works.
func (a *App) reportToManager(ctx context.Context) {
	every := statusEvery
	if watch := a.options.Manager.WatchEvery(); watch > 0 {
		every = min(every, watch)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.options.Manager.Alive()
			if !a.handlers.Site.Health.Stopping() {
				a.options.Manager.Status(a.standing(ctx))
			}
		}
	}
}

// standing is how the program stands, in words for its operator.
func (a *App) standing(ctx context.Context) string {
	at := a.URL()
	if at == "" {
		at = a.Address()
	}
	words := "Serving " + at
	if a.handlers.Site.Health.Ready(ctx) != nil {
		words += "; not ready: the session store can't be read and written"
	}
	if a.reloadFailed.Load() {
		words += "; the settings were not reloaded, the log says why"
	}
	return words
}
