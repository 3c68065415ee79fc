package config

import (
	"fmt"
	"strings"
)

// Fault is one thing that an operator has to mend before patdesk can start.
type Fault struct {
	Setting string // its name, or that of the .env file
	Problem string // what is wrong with it, worded to follow the name: "is not set"
	Fix     string // a sentence: what to put there
}

// Error reads as two sentences.
func (f Fault) Error() string { return f.Setting + " " + f.Problem + ". " + f.Fix }

// Faults are all that Load has found, in the order of the documentation.
type Faults []Fault

// Error is a list for a terminal: a line on each problem, and one on what to do.
func (fs Faults) Error() string {
	var b strings.Builder
	if len(fs) == 1 {
		b.WriteString("one setting has to be mended:")
	} else {
		fmt.Fprintf(&b, "%d settings have to be mended:", len(fs))
	}
	for _, f := range fs {
		fmt.Fprintf(&b, "\n  - %s %s.\n    %s", f.Setting, f.Problem, f.Fix)
	}
	return b.String()
}

// orNil keeps an empty list from becoming an error that isn't nil.
func (fs Faults) orNil() error {
	if len(fs) == 0 {
		return nil
	}
	return fs
}

// contradiction is a fault between settings. It is left out where one of them is faulty in itself: mending that one may
// be all there is to do.
type contradiction struct {
	Fault
	between []string
}
