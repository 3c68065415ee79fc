package simulator

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// servePATs routes /{organization}/_apis/tokens/pats, in any spelling of case.
func (s *Simulator) servePATs(w http.ResponseWriter, r *http.Request) bool {
	org, rest, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if !ok || !strings.EqualFold(strings.TrimSuffix(rest, "/"), "_apis/tokens/pats") {
		return false
	}
	switch r.Method {
	case http.MethodGet:
		if queryFold(r.URL.Query(), "authorizationId") != "" {
			s.serve(w, r, CallGet, org, s.pat((*exchange).get))
		} else {
			s.serve(w, r, CallList, org, s.pat((*exchange).list))
		}
	case http.MethodPost:
		s.serve(w, r, CallCreate, org, s.pat((*exchange).create))
	case http.MethodPut:
		s.serve(w, r, CallUpdate, org, s.pat((*exchange).update))
	case http.MethodDelete:
		s.serve(w, r, CallRevoke, org, s.pat((*exchange).revoke))
	default:
		s.serve(w, r, CallUnknown, org, func(x *exchange) *answer {
			a := x.json(http.StatusMethodNotAllowed, map[string]string{"message": "The requested resource does not support http method '" + r.Method + "'."})
			a.header.Set("Allow", "GET,POST,PUT,DELETE")
			return a
		})
	}
	return true
}

// patCall is one verb of the PAT API, after the caller and the organization were checked.
type patCall func(x *exchange, p Person, o Organization) *answer

// pat checks what all verbs have in common: bearer, organization, membership, permission, version.
func (s *Simulator) pat(do patCall) func(*exchange) *answer {
	return func(x *exchange) *answer {
		p, refused := x.authenticate(x.call)
		if refused != nil {
			return refused
		}
		o, ok := s.organization(x.org)
		if !ok {
			return x.unknownOrganization()
		}
		if !p.memberOf(o) {
			return x.unauthorized(p)
		}
		if refused := x.checkVersion(patVersions); refused != nil {
			return refused
		}
		return do(x, p, o)
	}
}

// patVersions are the versions of the API that exist; all are previews.
var patVersions = regexp.MustCompile(`^(6\.1|7\.0|7\.1|7\.2)-preview(\.1)?$`)

// apiVersion is the version asked for, in the query or in the Accept header.
func (x *exchange) apiVersion() string {
	if v := queryFold(x.r.URL.Query(), "api-version"); v != "" {
		return v
	}
	_, parameters, err := mime.ParseMediaType(x.r.Header.Get("Accept"))
	if err != nil {
		return ""
	}
	return parameters["api-version"]
}

func (x *exchange) checkVersion(known *regexp.Regexp) *answer {
	v := x.apiVersion()
	switch {
	case v == "":
		return x.json(http.StatusBadRequest, vssError("VssVersionNotSpecifiedException", fmt.Sprintf(
			`No api-version was supplied for the "%s" request. The version must be supplied either as part of the Accept header (e.g. "application/json; api-version=1.0") or as a query parameter (e.g. "?api-version=1.0").`, x.r.Method)))
	case known.MatchString(v):
		return nil
	case known.MatchString(v + "-preview"):
		return x.json(http.StatusBadRequest, vssError("VssInvalidPreviewVersionException", fmt.Sprintf(
			`The requested version "%s" of the resource is under preview. The -preview flag must be supplied in the api-version for such requests. For example: "%s-preview"`, v, v)))
	}
	return x.json(http.StatusBadRequest, vssError("VssVersionOutOfRangeException", fmt.Sprintf(
		`The requested REST API version of %s is out of range for this server.`, v)))
}

// unknownOrganization is how the service answers for a name that no organization has.
func (x *exchange) unknownOrganization() *answer {
	return x.json(http.StatusNotFound, vssError("HostDoesNotExistException", "VS800075: The organization with name '"+x.org+"' does not exist."))
}

// get answers GET with authorizationId.
func (x *exchange) get(p Person, o Organization) *answer {
	id := queryFold(x.r.URL.Query(), "authorizationId")
	if !isGUID(id) {
		return x.patError("invalidAuthorizationId")
	}
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	t := x.s.pats.visible(id, p, o)
	if t != nil {
		t = x.s.pats.shown(t, x.s.now())
	}
	if t == nil {
		return x.unknownToken()
	}
	return x.patResult(t.wire(nil))
}

// unknownToken is the answer for an id that isn't the caller's, here.
func (x *exchange) unknownToken() *answer {
	if x.s.o.UnknownToken == AnswerNotFound {
		return x.json(http.StatusNotFound, vssError("TokenNotFoundException", "The token was not found."))
	}
	return x.patError("authorizationNotFound")
}

// revoke answers DELETE. A token that is revoked already is revoked again without a word.
func (x *exchange) revoke(p Person, o Organization) *answer {
	id := queryFold(x.r.URL.Query(), "authorizationId")
	if !isGUID(id) {
		return x.patError("invalidAuthorizationId")
	}
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	t := x.s.pats.visible(id, p, o)
	if t == nil && x.s.o.UnknownToken != AnswerSuccess {
		return x.unknownToken()
	}
	if refused := x.notThereYet(t); refused != nil {
		return refused
	}
	if t != nil && !t.Revoked {
		x.keepLag(id, t)
		t.Revoked = true
		x.s.record.revoked++
	}
	return newAnswer(x.s.o.RevokeStatus, "", nil)
}

// fields reads the JSON body of create and update.
func (x *exchange) fields() (map[string]json.RawMessage, *answer) {
	contentType, _, _ := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	if contentType != "application/json" {
		return nil, x.json(http.StatusUnsupportedMediaType, vssError("VssRequestContentTypeNotSupportedException",
			"The request indicated a Content-Type of \""+contentType+"\" for method type \""+x.r.Method+"\" which is not supported. Valid content types for this method are: application/json."))
	}
	fields, err := decodeObject(x.body)
	if err != nil {
		return nil, x.unreadableJSON()
	}
	return fields, nil
}

// unreadableJSON is TF400898 with 400: our body wasn't what it should be.
func (x *exchange) unreadableJSON() *answer {
	e := vssError("JsonReaderException", x.internalError())
	e.TypeName = "Newtonsoft.Json.JsonReaderException, Newtonsoft.Json"
	return x.json(http.StatusBadRequest, e)
}

// internalError is the text of TF400898.
func (x *exchange) internalError() string {
	return "TF400898: An Internal Error Occurred. Activity Id: " + x.seen.ActivityID + "."
}

// change is what create and update ask for; nil is a field that wasn't sent.
type change struct {
	id          string
	displayName *string
	scope       *string
	validTo     *time.Time
	badTime     bool // validTo was sent and isn't a time
	allOrgs     bool
}

// change reads the body; unknown fields are ignored, as the service does.
func (x *exchange) change() (change, *answer) {
	fields, refused := x.fields()
	if refused != nil {
		return change{}, refused
	}
	var c change
	var validTo *string
	for name, raw := range fields {
		var err error
		switch strings.ToLower(name) {
		case "authorizationid":
			err = json.Unmarshal(raw, &c.id)
		case "displayname":
			err = json.Unmarshal(raw, &c.displayName)
		case "scope":
			err = json.Unmarshal(raw, &c.scope)
		case "validto":
			err = json.Unmarshal(raw, &validTo)
		case "allorgs":
			err = json.Unmarshal(raw, &c.allOrgs)
		}
		if err != nil {
			return change{}, x.unreadableJSON()
		}
	}
	if validTo != nil {
		t, err := time.Parse(time.RFC3339Nano, *validTo)
		c.validTo, c.badTime = &t, err != nil
	}
	return c, nil
}

// queryFold returns a query parameter whose name is compared without case, as ASP.NET does.
func queryFold(q url.Values, name string) string {
	for k, v := range q {
		if strings.EqualFold(k, name) && len(v) > 0 {
			return v[0]
		}
	}
	return ""
}

var guidPattern = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func isGUID(s string) bool { return guidPattern.MatchString(s) }
