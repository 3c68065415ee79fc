package simulator

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// intermediaryFaults are answers of something between the client and the service, instead of the service's own. An
// intermediary may refuse a request, and also an answer, for example for the secret in it: then the change is made.
func intermediaryFaults() []Fault {
	of := func(name, sentence string, give func(x *exchange, status int) *answer) []Fault {
		faults := twofold(name, name+"AfterDoing", GroupIntermediary, sentence, func(x *exchange, o FaultOptions, _ *answer) *answer {
			status, _ := intermediaryStatus(o.Value) // checked by setFault
			a := give(x, status)
			a.foreign = true
			return a.asIntermediary(o)
		})
		for i := range faults {
			faults[i].Value = "status, 403 if not given"
			faults[i].checkValue = func(value string) error { _, err := intermediaryStatus(value); return err }
		}
		return faults
	}
	portal := func(status int, name, sentence string) []Fault {
		return twofold(name, name+"AfterDoing", GroupIntermediary, sentence, func(x *exchange, _ FaultOptions, _ *answer) *answer {
			a := intermediaryHTML(x, status)
			if status/100 == 3 {
				a.header.Set("Location", "https://login.proxy.example/ask?url="+url.QueryEscape(x.r.URL.String()))
			}
			a.foreign = true
			return a
		})
	}
	return slices.Concat(
		of("proxyHTML", "A proxy's page in place of the answer, without the service's headers.", intermediaryHTML),
		of("proxyEmpty", "A firewall's status in place of the answer: no body, and none of the service's headers.",
			func(_ *exchange, status int) *answer {
				a := newAnswer(status, "", nil)
				a.header.Set("Server", "awselb/2.0")
				return a
			}),
		of("proxyJSON", "A gateway's JSON in place of the answer, in another form than the service's and without its headers.", intermediaryJSON),
		portal(http.StatusOK, "proxyPage", "A proxy's page with status 200 in place of the answer."),
		portal(http.StatusTemporaryRedirect, "proxyRedirect", "A proxy's redirect to its own sign-in on another host in place of the answer."),
	)
}

var errIntermediaryStatus = errors.New("simulator: an intermediary's status is a number from 400 to 599")

func intermediaryStatus(value string) (int, error) {
	status, err := strconv.Atoi(cmp.Or(strings.TrimSpace(value), "403"))
	if err != nil || status < 400 || status > 599 {
		return http.StatusForbidden, errIntermediaryStatus
	}
	return status, nil
}

// asIntermediary adds what the status asks for.
func (a *answer) asIntermediary(o FaultOptions) *answer {
	switch a.status {
	case http.StatusUnauthorized:
		a.header.Set("WWW-Authenticate", `Basic realm="gateway"`)
	case http.StatusProxyAuthRequired:
		a.header.Set("Proxy-Authenticate", `Negotiate, Basic realm="proxy"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		a.header.Set("Retry-After", seconds(o.RetryAfter))
	}
	return a
}

func intermediaryHTML(x *exchange, status int) *answer {
	a := htmlAnswer(status, "<!DOCTYPE html>\n<html><head><title>ERROR: The requested URL could not be retrieved</title></head>"+
		"<body><h1>"+http.StatusText(status)+"</h1><p>Blocked by content inspection of the proxy. Request "+newGUID()+".</p></body></html>")
	a.header.Set("Server", "squid/6.10")
	a.header.Set("Via", "1.1 proxy.example (squid/6.10)")
	a.header.Set("X-Squid-Error", "ERR_ACCESS_DENIED 0")
	a.header.Set("X-Cache", "MISS from proxy.example")
	a.header.Set("Date", x.s.now().Format(http.TimeFormat))
	return a
}

// intermediaryJSON has the form that API gateways use; message is a member of the service's own errors, too.
func intermediaryJSON(x *exchange, status int) *answer {
	a := newAnswer(status, "application/json", encode(map[string]any{
		"statusCode": status, "message": "The gateway has blocked this: " + http.StatusText(status) + ".",
	}))
	a.header.Set("Server", "envoy")
	a.header.Set("X-Request-Id", newGUID())
	a.header.Set("Date", x.s.now().Format(http.TimeFormat))
	return a
}
