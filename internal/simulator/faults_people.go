package simulator

import (
	"fmt"
	"slices"
	"strings"
)

// Azure DevOps throttles people one by one, so a fault can hit some of them and spare the others.

// meets reports whether the fault hits calls of that user; "" is an unknown caller.
func (f *activeFault) meets(username string) bool {
	return f.o.People == nil || slices.ContainsFunc(f.o.People, func(name string) bool { return strings.EqualFold(name, username) })
}

// Crowd returns n more people of the home tenant who belong to these organizations, for Options.People. Their names are
// "Person 1" and so on.
func Crowd(n int, organizations ...string) []Person {
	people := make([]Person, n)
	for i := range people {
		people[i] = Person{
			Name: fmt.Sprintf("Person %d", i+1), Username: fmt.Sprintf("person%d@contoso.example", i+1),
			ObjectID: guidFrom(fmt.Sprintf("crowd %d", i+1)), TenantID: DefaultTenantID, Organizations: organizations,
		}
	}
	return people
}
