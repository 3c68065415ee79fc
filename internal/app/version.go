package app

import "runtime/debug"

// Version is what the program says that it is: the release that its build was stamped with, or else the commit that it
// was built from.
func Version(stamped string) string {
	revision := buildRevision()
	switch {
	case stamped != "":
		return stamped
	case len(revision) >= 12:
		return "development " + revision[:12]
	}
	return "development"
}

// buildRevision is the commit that the program was built from, "unknown" if it doesn't say.
func buildRevision() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return "unknown"
}
