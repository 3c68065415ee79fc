package simulator

import (
	"errors"
	"html/template"
	"maps"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	_ "embed"
)

//go:embed panel.html
var panelHTML string

var panelTemplate = template.Must(template.New("panel").Parse(panelHTML))

// recentRequests is how many the panel shows.
const recentRequests = 30

// panelView is what panel.html shows.
type panelView struct {
	Active        []panelActive
	Groups        []panelGroup
	Refusals      []string // values of patTokenError
	RefusalCalls  []string
	Organizations []string
	Requests      []Request // newest first
	Fault         string    // what was wrong with the last form
	App           string    // where the application is, "" if unknown
}

// panelActive is a fault that is on.
type panelActive struct {
	Name, Call, Organization string
	Left                     int // 0: always
}

// panelGroup is a heading with its faults.
type panelGroup struct {
	Name   string
	Faults []Fault
}

// PerOrganization reports whether the fault can be narrowed to one organization.
func (f Fault) PerOrganization() bool {
	return slices.Contains(f.Calls, CallList) || slices.Contains(f.Calls, CallCreate)
}

// Measure says which option the fault goes by, in words for its field on the page; "" if by none.
func (f Fault) Measure() string {
	begins := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(f.Name, name) })
	}
	switch {
	case begins("cut", "huge", "gzip", "tokenCut"):
		return measureBytes
	case begins("hang", "slow", "tokenHang", "metadataHang", "jwksHang", "lagging", "doneLate", "vaultHang"):
		return measureDelay
	case begins("throttled", "unavailable", "token503", "token429", "proxy", "vaultThrottled"):
		return measureRetryAfter
	}
	return ""
}

const (
	measureBytes      = "Bytes"
	measureDelay      = "Delay in seconds"
	measureRetryAfter = "Retry-After in seconds"
)

// measure sets the option that the fault goes by.
func (o *FaultOptions) measure(f Fault, text string) error {
	if text = strings.TrimSpace(text); text == "" {
		return nil
	}
	number, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(number) || number < 0 || number > 1e12 {
		return errors.New(f.Measure() + ": that isn't a number that can be used.")
	}
	switch f.Measure() {
	case measureBytes:
		o.Bytes = int64(number)
	case measureDelay:
		o.Delay = inSeconds(number)
	case measureRetryAfter:
		o.RetryAfter = inSeconds(number)
	}
	return nil
}

func inSeconds(n float64) time.Duration { return time.Duration(min(n, 1e6) * float64(time.Second)) }

// servePanel shows the page of faults, and acts on its forms. Only under a loopback name: another site's name that
// resolves to this machine would let that site in.
func (s *Simulator) servePanel(w http.ResponseWriter, r *http.Request) {
	if !loopbackHost(r.Host) {
		http.Error(w, "Open this page as localhost or 127.0.0.1.", http.StatusMisdirectedRequest)
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		s.showPanel(w, r, http.StatusOK, "")
	case http.MethodPost:
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		if err := r.ParseForm(); err != nil {
			s.showPanel(w, r, http.StatusBadRequest, "The form can't be read.")
			return
		}
		if err := s.actOnPanel(r.PostForm); err != nil {
			s.showPanel(w, r, http.StatusBadRequest, err.Error())
			return
		}
		http.Redirect(w, r, panelPath, http.StatusSeeOther)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "Method not allowed", http.StatusMethodNotAllowed)
	}
}

func loopbackHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// actOnPanel does what a form's button says.
func (s *Simulator) actOnPanel(form url.Values) error {
	switch form.Get("do") {
	case "clear":
		s.ClearFaults()
	case "expire":
		s.ExpireAccessTokens()
	case "revoke":
		s.RevokeSignIns()
	case "rotate":
		s.RotateKeys()
	default:
		o := FaultOptions{Call: form.Get("call"), Organization: form.Get("organization"), Value: form.Get("value")}
		if form.Get("times") == "once" {
			o.Times = 1
		}
		name := form.Get("fault")
		if other := strings.TrimSpace(form.Get("other")); other != "" {
			name = "patTokenError:" + other
		}
		f, _ := faultByName(name)
		if err := o.measure(f, form.Get("measure")); err != nil {
			return err
		}
		return s.setFault(name, o)
	}
	return nil
}

func (s *Simulator) showPanel(w http.ResponseWriter, r *http.Request, status int, fault string) {
	v := panelView{Fault: fault, Refusals: patTokenErrors, RefusalCalls: patTokenErrorFault("").Calls}
	for _, o := range s.o.Organizations {
		v.Organizations = append(v.Organizations, o.Name)
	}
	for _, f := range Faults() {
		if f.Group == GroupRefusals {
			continue
		}
		if len(v.Groups) == 0 || v.Groups[len(v.Groups)-1].Name != f.Group {
			v.Groups = append(v.Groups, panelGroup{Name: f.Group})
		}
		last := &v.Groups[len(v.Groups)-1]
		last.Faults = append(last.Faults, f)
	}
	s.mu.Lock()
	if len(s.entra.postLogoutURIs) > 0 {
		v.App = s.entra.postLogoutURIs[0]
	}
	for _, f := range s.faults {
		v.Active = append(v.Active, panelActive{f.fault.Name, f.o.Call, f.o.Organization, max(f.left, 0)})
	}
	for _, seen := range slices.Backward(s.record.requests) {
		if len(v.Requests) == recentRequests {
			break
		}
		v.Requests = append(v.Requests, *seen)
	}
	s.mu.Unlock()
	a := pageAnswer(status, panelTemplate, v)
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(a.body)
	}
}
