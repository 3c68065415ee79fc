package simulator

import (
	"net/http"
	"regexp"
	"strings"
)

// discoveryVersions: released and preview versions of profile and accounts.
var discoveryVersions = regexp.MustCompile(`^[4-7]\.[0-9](-preview(\.[1-3])?)?$`)

// serveDiscovery routes the two calls of organization discovery.
func (s *Simulator) serveDiscovery(w http.ResponseWriter, r *http.Request) bool {
	call, do := "", (*exchange).profile
	switch strings.ToLower(r.URL.Path) {
	case "/_apis/profile/profiles/me":
		call = CallProfile
	case "/_apis/accounts":
		call, do = CallAccounts, (*exchange).accounts
	default:
		return false
	}
	s.serve(w, r, call, "", func(x *exchange) *answer {
		p, refused := x.authenticate(call)
		if refused != nil {
			return refused
		}
		if r.Method != http.MethodGet {
			return x.json(http.StatusMethodNotAllowed, map[string]string{"message": "The requested resource does not support http method '" + r.Method + "'."})
		}
		if refused := x.checkVersion(discoveryVersions); refused != nil {
			return refused
		}
		return do(x, p)
	})
	return true
}

// profile answers profiles/me.
func (x *exchange) profile(p Person) *answer {
	return x.json(http.StatusOK, map[string]any{
		"displayName": p.Name, "publicAlias": p.profileID(), "emailAddress": p.Username,
		"coreRevision": 1, "timeStamp": wireTime(x.s.now()), "id": p.profileID(), "revision": 1,
	})
}

// accounts lists the person's organizations; memberId must be the person's own.
func (x *exchange) accounts(p Person) *answer {
	member := queryFold(x.r.URL.Query(), "memberId")
	switch {
	case member == "":
		return x.json(http.StatusBadRequest, vssError("AccountException", "VS403012: Either memberId or ownerId must be given."))
	case !strings.EqualFold(member, p.profileID()):
		return x.json(http.StatusForbidden, vssError("AccessCheckException", "Access Denied: "+p.Username+" may not list the accounts of another member."))
	}
	list := []map[string]any{}
	for _, o := range x.s.o.Organizations {
		if p.memberOf(o) {
			list = append(list, map[string]any{"accountId": o.ID, "accountUri": "https://vssps.dev.azure.com:443/" + o.Name + "/",
				"accountName": o.Name, "properties": map[string]any{}})
		}
	}
	return x.json(http.StatusOK, map[string]any{"count": len(list), "value": list})
}
