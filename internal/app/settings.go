package app

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/handlers"
	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/backing"
)

// LoadSettings is config.Load with what config can't judge alone: whether the files that settings name hold what is
// needed, and whether the redirect path is one of our own pages. So all that an operator has to mend is in one list.
// environ is as os.Environ gives it. No network is used. An error is of type config.Faults.
func LoadSettings(ctx context.Context, getenv func(string) string, environ []string, dotenv string, now func() time.Time) (config.Config, error) {
	cfg, err := config.Load(getenv, dotenv)
	cfg.Warnings = append(cfg.Warnings, config.Misspelt(environ)...)
	var more []config.Fault
	if segment := ownSegment(cfg.RedirectPath); segment != "" {
		more = append(more, config.Fault{
			Setting: "REDIRECT_PATH", Problem: "is in the way of patdesk's own /" + segment,
			Fix: "Put a path such as /getAToken there, and register the whole address with the app.",
		})
	}
	var fault config.Fault
	if cfg.Credential.CertificateFile != "" {
		if _, wrong := backing.ReadCredential(ctx, cfg.Credential, nil, now); errors.As(wrong, &fault) {
			more = append(more, fault)
		}
	}
	if cfg.Redis != nil {
		if _, wrong := backing.RedisOptions(*cfg.Redis); errors.As(wrong, &fault) {
			more = append(more, fault)
		}
	}
	return cfg, config.Join(err, more...)
}

// ownSegment is the first segment of path, if a page of ours begins with it; "" otherwise. The pages are those of the
// route table.
func ownSegment(path string) string {
	own, err := handlers.New(handlers.Options{Options: web.Options{RedirectPath: "/(redirect)"}})
	if path == "" || err != nil {
		return ""
	}
	wanted := firstSegment(path)
	for _, pattern := range patterns(own.Routes()) {
		if segment := firstSegment(pattern); segment != "" && strings.EqualFold(segment, wanted) {
			return segment
		}
	}
	return ""
}

func firstSegment(path string) string {
	segment, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return segment
}

// asFaults makes config.Faults of an error that is about a setting: starting again won't help.
func asFaults(err error) error {
	var fault config.Fault
	if errors.As(err, &fault) {
		return config.Faults{fault}
	}
	return err
}
