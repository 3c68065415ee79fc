package app

import "runtime/debug"

// revision is stamped by builds that see no repository, such as the image's (-ldflags "-X …/internal/app.revision=…").
var revision = ""

// Version is what the program says that it is: the release that its build was stamped with, or else the commit that it
// was built from.
func Version(stamped string) string {
	commit := Revision()
	switch {
	case stamped != "":
		return stamped
	case len(commit) >= 12:
		return "development " + commit[:12]
	}
	return "development"
}

// Revision is the commit that the program was built from, "unknown" if it doesn't say.
func Revision() string {
	if revision != "" {
		return revision
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return "unknown"
}
