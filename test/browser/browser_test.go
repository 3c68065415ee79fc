package browser

import (
	"context"
	"os"
	"os/exec"
	"sync"

	"github.com/chromedp/chromedp"

	"github.com/patdesk/patdesk/internal/testkit"
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

// The browsers that tests share, each started for the first one that wants it.
var (
	sharedMu sync.Mutex
	shared   = map[string]*chromium{} // by their programs
)

func sharedChromium(program string) *chromium {
	sharedMu.Lock()
	defer sharedMu.Unlock()
	if shared[program] == nil {
		var flags []chromedp.ExecAllocatorOption
		if program != wholeChromium {
			flags = append(flags, chromedp.ExecPath(program))
		}
		shared[program] = startChromium(flags...)
	}
	return shared[program]
}

func closeBrowsers() {
	for _, c := range shared {
		c.stop()
	}
}

// wholeChromium stands for the browser that people have, wherever it is found.
const wholeChromium = ""

// headlessShell is the program of Chromium that has nothing but pages, and takes half of the processor's time: a short run
// does most of its tests in it, where it is installed. It keeps no page that it has left. Where everything is tried, or
// looked at, that is done in the whole one.
func headlessShell() string {
	const program = "chromium-headless-shell"
	if _, err := exec.LookPath(program); err != nil || testkit.Long() || *gallery != "" || *lighthouse != "" {
		return wholeChromium
	}
	return program
}
