package handlers

import (
	"net"
	"net/http"

	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/plaintext"
)

// namedPlainly is a token's name outside pages.
func namedPlainly(name string) string { return plaintext.Name(shownName(name)) }

// userAgentLength bounds what is kept of a User-Agent.
const userAgentLength = 256

func originOf(r *http.Request) operation.Origin {
	return operation.Origin{Address: clientOf(r), Browser: plaintext.Line(r.UserAgent(), userAgentLength)}
}

// clientOf is the client's address without its port.
func clientOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
