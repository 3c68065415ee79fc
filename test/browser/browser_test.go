package browser

import (
	"context"
	"os"
	"sync"

	"github.com/chromedp/chromedp"
)

// chromium is one browser process: starting one takes as long as a small test. Each tab has cookies and a profile of
// its own.
type chromium struct {
	ctx  context.Context
	stop func()
	err  error
}

// startChromium starts a browser with an empty profile. More flags may be given.
func startChromium(more ...chromedp.ExecAllocatorOption) *chromium {
	dir, err := os.MkdirTemp("", "patdesk-chromium-")
	if err != nil {
		return &chromium{err: err, stop: func() {}}
	}
	// For the time: no graphics card is looked for, and no renderer made ready for a page that may come.
	flags := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-features", "Translate,BlinkGenPropertyTrees,SpareRendererForSitePerProcess"),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(dir))
	if os.Geteuid() == 0 {
		flags = append(flags, chromedp.NoSandbox)
	}
	allocator, free := chromedp.NewExecAllocator(context.Background(), append(flags, more...)...)
	ctx, cancel := chromedp.NewContext(allocator)
	c := &chromium{ctx: ctx}
	c.stop = func() {
		cancel()
		free()
		_ = os.RemoveAll(dir) // a leftover in the temporary folder is no failure
	}
	c.err = chromedp.Do(ctx) // starts it
	return c
}

// sharedChromium is the browser of all tests that need no flags.
var (
	startShared sync.Once
	shared      *chromium
)

func sharedChromium() *chromium {
	startShared.Do(func() { shared = startChromium() })
	return shared
}

func closeBrowser() {
	if shared != nil {
		shared.stop()
	}
}
