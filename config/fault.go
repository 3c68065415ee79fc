package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
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

// Join adds to the faults of Load, or to nil, those that only other packages can find, but for settings that have one
// already: of a file that isn't there nothing else has to be said. The result is nil, or of type Faults.
func Join(err error, more ...Fault) error {
	var found Faults
	errors.As(err, &found)
	all := slices.Clone(found)
	for _, f := range more {
		if !slices.ContainsFunc(found, func(other Fault) bool { return other.Setting == f.Setting }) {
			all = append(all, f)
		}
	}
	all.sort()
	return all.orNil()
}

// sort puts faults into the order of the documentation.
func (fs Faults) sort() {
	order := Names()
	slices.SortStableFunc(fs, func(a, b Fault) int {
		return cmp.Compare(slices.Index(order, a.Setting), slices.Index(order, b.Setting))
	})
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
