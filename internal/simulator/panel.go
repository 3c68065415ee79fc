package simulator

import (
	"html/template"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

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

// PerOrganization says if the fault can be narrowed to one organization.
func (f Fault) PerOrganization() bool {
	return slices.Contains(f.Calls, CallList) || slices.Contains(f.Calls, CallCreate)
}

// servePanel shows the page of faults, and acts on its forms. Only under a
// loopback name: a name of somebody else's that resolves to this machine would
// let that web site in.
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
		return s.setFault(form.Get("fault"), o)
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
	copyHeader(w.Header(), a.header)
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(a.body)
	}
}
