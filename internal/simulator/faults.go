package simulator

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Fault is one way of misbehaving, see Faults.
type Fault struct {
	Name     string
	Group    string   // what it concerns, see the Group constants
	Sentence string   // what happens, for people
	Calls    []string // those it can hit
	Value    string   // what FaultOptions.Value means; "" if it means nothing

	checkValue func(string) error // nil: any value will do

	// before answers instead of the service, which does nothing.
	before func(x *exchange, o FaultOptions) *answer
	// after changes the answer of the service, which has done what was asked.
	after func(x *exchange, o FaultOptions, a *answer) *answer
	// oauth is the error that Entra ID answers with.
	oauth func(p Person) *oauthError
	// redirect changes what the sign-in page sends back to the application.
	redirect func(q url.Values)
	// tokens changes what the token endpoint answers.
	tokens func(body map[string]any)
	// idToken changes an ID token before it is signed, or how it is signed.
	idToken func(x *exchange, t *idToken)
}

// FaultOptions narrow a fault down. The zero value hits every call it can, until ClearFaults.
type FaultOptions struct {
	Call         string   // one of the fault's calls; "" for all of them
	Organization string   // only calls to this one; "" for all
	Times        int      // how often; 0 means always
	After        int      // so many fitting calls are spared first
	People       []string // only calls in the name of these, by username; nil for everybody's. Azure DevOps throttles people one by one

	Value      string        // see Fault.Value
	Bytes      int64         // where a body is cut, or how long a huge one is; 0 for the fault's own idea
	Delay      time.Duration // how long hanging lasts; 0 for as long as the client stays, or as the fault says
	RetryAfter time.Duration // sent in Retry-After; 0 means 30 s
}

// activeFault is one that is switched on.
type activeFault struct {
	fault Fault
	o     FaultOptions
	left  int // how often still; only if o.Times > 0
	spare int
}

// SetFault switches a fault on, beside those that are on already; the same fault may be on twice with different
// options. Of faults that answer instead of the service the one switched on first wins. It panics if there is no such
// fault or the fault can't hit that call: a test with a misspelt fault would prove nothing.
func (s *Simulator) SetFault(name string, o FaultOptions) {
	if err := s.setFault(name, o); err != nil {
		panic(err)
	}
}

func (s *Simulator) setFault(name string, o FaultOptions) error {
	f, ok := faultByName(name)
	if !ok {
		return fmt.Errorf("simulator: no fault is named %q", name)
	}
	if o.Call != "" && !slices.Contains(f.Calls, o.Call) {
		return fmt.Errorf("simulator: fault %q can't hit %q, only %s", name, o.Call, strings.Join(f.Calls, ", "))
	}
	if f.checkValue != nil {
		if err := f.checkValue(o.Value); err != nil {
			return err
		}
	}
	o.RetryAfter = cmp.Or(o.RetryAfter, 30*time.Second)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &activeFault{fault: f, o: o, left: o.Times, spare: o.After})
	return nil
}

// ClearFaults switches all faults off. Answers that hang already go on hanging.
func (s *Simulator) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// ClearFault switches off all faults of that name.
func (s *Simulator) ClearFault(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = slices.DeleteFunc(s.faults, func(f *activeFault) bool { return f.fault.Name == name })
}

// ActiveFaults returns the names of the faults that are on, in the order of SetFault.
func (s *Simulator) ActiveFaults() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, f := range s.faults {
		names = append(names, f.fault.Name)
	}
	return names
}

// The groups of faults, in the order of Faults.
const (
	GroupAnswers      = "Azure DevOps: answers"
	GroupContent      = "Azure DevOps: content"
	GroupConnection   = "Azure DevOps: connection"
	GroupIntermediary = "Azure DevOps: intermediaries"
	GroupLag          = "Azure DevOps: lag"
	GroupRefusals     = "Azure DevOps: patTokenError"
	GroupVault        = "Azure Key Vault"
	GroupSignIn       = "Entra ID: sign-in page"
	GroupToken        = "Entra ID: token endpoint" //nolint:gosec // a heading, not a credential
	GroupIDToken      = "Entra ID: ID token"       //nolint:gosec // a heading, not a credential
	GroupMetadata     = "Entra ID: metadata and keys"
)

// allFaults is every fault that has a name of its own.
var allFaults = slices.Concat(answerFaults(), contentFaults(), oddFaults(), connectionFaults(), intermediaryFaults(), lagFaults(), refusalFaults(),
	vaultFaults(), signInFaults(), tokenFaults(), vaultTokenFaults(), idTokenFaults(), metadataFaults())

// Faults returns all faults there are, group by group. Beside them, patTokenError:<value> answers with any value, known
// or not.
func Faults() []Fault { return slices.Clone(allFaults) }

func faultByName(name string) (Fault, bool) {
	if value, ok := strings.CutPrefix(name, "patTokenError:"); ok && value != "" {
		return patTokenErrorFault(value), true
	}
	return find(allFaults, func(f Fault) bool { return f.Name == name })
}

// matchFaults takes the faults that hit a call, and uses up those with a count; s.mu is held.
func (s *Simulator) matchFaults(call, org, who string) []activeFault {
	var hit []activeFault
	s.faults = slices.DeleteFunc(s.faults, func(f *activeFault) bool {
		if !f.fits(call, org) || !f.meets(who) {
			return false
		}
		if f.spare > 0 {
			f.spare--
			return false
		}
		hit = append(hit, *f)
		f.left--
		return f.o.Times > 0 && f.left <= 0
	})
	return hit
}

func (f *activeFault) fits(call, org string) bool {
	return slices.Contains(f.fault.Calls, call) &&
		(f.o.Call == "" || f.o.Call == call) &&
		(f.o.Organization == "" || strings.EqualFold(f.o.Organization, org))
}

// answerInstead is the answer of the first fault that lets the service do nothing.
func (x *exchange) answerInstead() *answer {
	for _, f := range x.faults {
		if f.fault.before == nil {
			continue
		}
		if a := f.fault.before(x, f.o); a != nil {
			return a
		}
	}
	return nil
}

// spoil lets faults change the service's answer.
func (x *exchange) spoil(a *answer) *answer {
	for _, f := range x.faults {
		if f.fault.after != nil {
			a = f.fault.after(x, f.o, a)
		}
	}
	return a
}

// fault says if a fault hits this request, and with which options.
func (x *exchange) fault(name string) (FaultOptions, bool) {
	for _, f := range x.faults {
		if f.fault.Name == name {
			return f.o, true
		}
	}
	return FaultOptions{}, false
}

func (x *exchange) has(name string) bool {
	_, ok := x.fault(name)
	return ok
}

// Azure DevOps throttles people one by one, so a fault can hit some of them and spare the others.

// meets reports whether the fault hits calls of that user; "" is an unknown caller.
func (f *activeFault) meets(username string) bool {
	return f.o.People == nil || slices.ContainsFunc(f.o.People, func(name string) bool { return strings.EqualFold(name, username) })
}
