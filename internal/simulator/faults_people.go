package simulator

import (
	"slices"
	"strings"
)

// Azure DevOps throttles people one by one, so a fault can hit some of them and spare the others.

// meets reports whether the fault hits calls of that user; "" is an unknown caller.
func (f *activeFault) meets(username string) bool {
	return f.o.People == nil || slices.ContainsFunc(f.o.People, func(name string) bool { return strings.EqualFold(name, username) })
}
