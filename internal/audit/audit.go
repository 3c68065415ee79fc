// Package audit writes the audit trail: one log record for each thing that a person did. docs/logs.md has its
// fields.
//
// Everything that happens to an operation comes from one place, the journal's observer; the rest (sessions, calendar
// addresses) is recorded by the action that does it.
package audit

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/plaintext"
	"github.com/patdesk/patdesk/internal/session"
)

// Actor is who a request is from.
type Actor struct {
	Person    session.Person // zero: not signed in
	Session   string
	RequestID string
	Origin    operation.Origin
}

type actorKey struct{}

// WithActor lets everything that is done for a request, also after its end, know who it is from.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

func actorOf(ctx context.Context) Actor {
	a, _ := ctx.Value(actorKey{}).(Actor)
	return a
}

// Operations records what happens to operations, for the journal.
func Operations(log *slog.Logger) func(context.Context, operation.Event) {
	return func(ctx context.Context, e operation.Event) {
		who := actorOf(ctx)
		if who.Person == (session.Person{}) { // no request: the program found it out when it stopped
			who.Person.TenantID, who.Person.ObjectID, _ = strings.Cut(e.Operation.Person, ".")
			who.Origin = e.Operation.From
		}
		attrs := append([]slog.Attr{slog.String("operation", e.Operation.ID), slog.String("organization", short(e.Operation.Organization))}, subject(e)...)
		attrs = append(attrs, failureAttrs(e.Failure)...)
		if e.Late {
			attrs = append(attrs, slog.Bool("late", true))
		}
		if e.Step == operation.Reconciling {
			attrs = append(attrs, slog.Int("found", e.Found))
		}
		write(ctx, log, who, string(e.Step), string(e.Outcome), attrs)
	}
}

func short(text string) string { return plaintext.Line(text, plaintext.NameLength) }

// subject names the token. One that was only asked for has a name and no id.
func subject(e operation.Event) []slog.Attr {
	t := azuredevops.Token{DisplayName: e.Operation.Want.DisplayName}
	if e.Token != nil {
		t = *e.Token
	}
	var attrs []slog.Attr
	if t.AuthorizationID != "" {
		attrs = append(attrs, slog.String("token", short(t.AuthorizationID)))
	}
	if t.DisplayName != "" {
		attrs = append(attrs, slog.String("name", short(t.DisplayName)))
	}
	return attrs
}

func failureAttrs(f *failure.Failure) []slog.Attr {
	if f == nil {
		return nil
	}
	attrs := []slog.Attr{slog.String("source", f.Source), slog.String("kind", f.Kind)}
	if f.Code != "" {
		attrs = append(attrs, slog.String("code", short(f.Code)))
	}
	if f.Status != 0 {
		attrs = append(attrs, slog.Int("status", f.Status))
	}
	if f.ActivityID != "" {
		attrs = append(attrs, slog.String("activity_id", short(f.ActivityID)))
	}
	return attrs
}

// Record records what the request in this context has done.
func Record(ctx context.Context, log *slog.Logger, event string, attrs ...slog.Attr) {
	write(ctx, log, actorOf(ctx), event, string(operation.WasDone), attrs)
}

// SignIn records a sign-in of who, whom the request's context doesn't know yet; refused says why there was none.
func SignIn(ctx context.Context, log *slog.Logger, who Actor, refused *failure.Failure) {
	outcome := operation.WasDone
	if refused != nil {
		outcome = operation.WasRefused
	}
	write(ctx, log, who, "sign-in", string(outcome), failureAttrs(refused))
}

// write hands the record to the log's handler past its level: a log that is to be quiet doesn't lose the trail.
func write(ctx context.Context, log *slog.Logger, who Actor, event, outcome string, attrs []slog.Attr) {
	r := slog.NewRecord(time.Now(), slog.LevelInfo, "audit", 0)
	r.AddAttrs(slog.Bool("audit", true), slog.String("event", event), slog.String("outcome", outcome))
	for _, a := range []struct{ name, value string }{
		{"tenant", who.Person.TenantID}, {"person", who.Person.ObjectID}, {"username", short(who.Person.Username)},
		{"client", who.Origin.Address}, {"browser", who.Origin.Browser}, {"session", who.Session}, {"request_id", who.RequestID},
	} {
		if a.value != "" {
			r.AddAttrs(slog.String(a.name, a.value))
		}
	}
	r.AddAttrs(attrs...)
	_ = log.Handler().Handle(ctx, r) // as slog itself does: a log that can't be written has nowhere to report it
}
