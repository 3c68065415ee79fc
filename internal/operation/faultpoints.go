//go:build faultpoints

package operation

import (
	"os"
	"time"
)

// A program built with the tag faultpoints can be held from outside at a named point of its work, so that a test can
// kill it there, or break its store, and let it go on. Releases are built without the tag and hold nothing of this.
//
// The file that PATDESK_HOLD names holds the name of a point. The first worker that reaches it renames the file to
// *.held and waits until that is gone.
func init() {
	file := os.Getenv("PATDESK_HOLD")
	if file == "" {
		return
	}
	atPoint = func(point string) {
		wanted, err := os.ReadFile(file)
		if err != nil || string(wanted) != point || os.Rename(file, file+".held") != nil {
			return
		}
		for err == nil {
			time.Sleep(time.Millisecond)
			_, err = os.Stat(file + ".held")
		}
	}
}
