package handlers

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/session"
)

// The audit trail is one log record for each thing that somebody did: docs/operations.md has its fields. Everything that
// happens to an operation comes from one place, the journal's observer; the rest (sessions, calendar addresses) is told by
// the action that does it.

// actor is who a request is from.
type actor struct {
	person  session.Person // zero: nobody is signed in
	session string
	origin  operation.Origin
}

type actorKey struct{}

// userAgentLength bounds what is kept of a User-Agent.
const userAgentLength = 256

func originOf(r *http.Request) operation.Origin {
	return operation.Origin{Address: clientOf(r), Browser: plainly(r.UserAgent(), userAgentLength)}
}

// withActor lets everything that is done for the request, also after its end, know who it is from.
func withActor(r *http.Request, s *session.Session) *http.Request {
	a := actor{person: s.Person(), session: s.Hash(), origin: originOf(r)}
	return r.WithContext(context.WithValue(r.Context(), actorKey{}, a))
}

func actorOf(ctx context.Context) actor {
	a, _ := ctx.Value(actorKey{}).(actor)
	return a
}

// Origin says where the request in this context came from, for the journal.
func Origin(ctx context.Context) operation.Origin { return actorOf(ctx).origin }

// ObserveOperations writes what happens to operations into the audit trail, for the journal.
func ObserveOperations(log *slog.Logger) func(context.Context, operation.Event) {
	return func(ctx context.Context, e operation.Event) {
		who := actorOf(ctx)
		if who.person == (session.Person{}) { // nobody's request: the program found it out when it stopped
			who.person.TenantID, who.person.ObjectID, _ = strings.Cut(e.Operation.Person, ".")
			who.origin = e.Operation.From
		}
		attrs := append([]slog.Attr{slog.String("operation", e.Operation.ID), slog.String("organization", plainly(e.Operation.Organization, nameLength))}, subject(e)...)
		attrs = append(attrs, failureAttrs(e.Failure)...)
		if e.Late {
			attrs = append(attrs, slog.Bool("late", true))
		}
		if e.Step == operation.Reconciling {
			attrs = append(attrs, slog.Int("found", e.Found))
		}
		writeAudit(ctx, log, who, string(e.Step), string(e.Outcome), attrs)
	}
}

// subject names the token. One that was only asked for has a name and no id.
func subject(e operation.Event) []slog.Attr {
	t := azuredevops.Token{DisplayName: e.Operation.Want.DisplayName}
	if e.Token != nil {
		t = *e.Token
	}
	var attrs []slog.Attr
	if t.AuthorizationID != "" {
		attrs = append(attrs, slog.String("token", plainly(t.AuthorizationID, nameLength)))
	}
	if t.DisplayName != "" {
		attrs = append(attrs, slog.String("name", plainly(t.DisplayName, nameLength)))
	}
	return attrs
}

func failureAttrs(f *operation.Failure) []slog.Attr {
	if f == nil {
		return nil
	}
	attrs := []slog.Attr{slog.String("source", f.Source), slog.String("kind", f.Kind)}
	if f.Code != "" {
		attrs = append(attrs, slog.String("code", plainly(f.Code, nameLength)))
	}
	if f.Status != 0 {
		attrs = append(attrs, slog.Int("status", f.Status))
	}
	if f.ActivityID != "" {
		attrs = append(attrs, slog.String("activity_id", plainly(f.ActivityID, nameLength)))
	}
	return attrs
}

// audit writes down what this visit has done.
func (h *Handlers) audit(v *visit, event string, attrs ...slog.Attr) {
	writeAudit(v.Context(), h.Log, actorOf(v.Context()), event, string(operation.WasDone), attrs)
}

// auditSignIn writes down a sign-in: who it is, the request doesn't know yet. s is nil if it was refused.
func (h *Handlers) auditSignIn(v *visit, s *session.Session, refused error) {
	who, outcome, attrs := actor{origin: originOf(v.Request)}, operation.WasDone, []slog.Attr(nil)
	if s != nil {
		who.person, who.session = s.Person(), s.Hash()
	} else {
		failure := DescribeFailure(refused)
		outcome, attrs = operation.WasRefused, failureAttrs(&failure)
	}
	writeAudit(v.Context(), h.Log, who, "sign-in", string(outcome), attrs)
}

// writeAudit hands the record to the log's handler past its level: a log that is to be quiet doesn't lose the trail.
func writeAudit(ctx context.Context, log *slog.Logger, who actor, event, outcome string, attrs []slog.Attr) {
	r := slog.NewRecord(time.Now(), slog.LevelInfo, "audit", 0)
	r.AddAttrs(slog.Bool("audit", true), slog.String("event", event), slog.String("outcome", outcome))
	for _, a := range []struct{ name, value string }{
		{"tenant", who.person.TenantID}, {"person", who.person.ObjectID}, {"username", plainly(who.person.Username, nameLength)},
		{"client", who.origin.Address}, {"browser", who.origin.Browser}, {"session", who.session}, {"request_id", requestID(ctx)},
	} {
		if a.value != "" {
			r.AddAttrs(slog.String(a.name, a.value))
		}
	}
	r.AddAttrs(attrs...)
	_ = log.Handler().Handle(ctx, r) // as slog itself: a log that can't be written has nobody to be told to
}
