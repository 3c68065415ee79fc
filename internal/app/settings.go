package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/handlers"
	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/backing"
	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/session"
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

// reloadTimeout is how long reading a credential again may take; one in a vault comes from far away.
const reloadTimeout = 30 * time.Second

// Reload reads the settings again and takes over what a running program can: the credential, the session keys and the
// level of the log. Nothing in flight is disturbed. If something is wrong with the settings, none of them is taken over.
// The log says what became of it.
func (a *App) Reload() {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	if a.options.Settings == nil {
		a.log.Warn("there are no settings to be read again")
		return
	}
	a.options.Manager.Reloading()
	a.reloadFailed.Store(!a.reload())
	if !a.handlers.Site.Health.Stopping() {
		a.options.Manager.Ready(a.standing(context.Background()))
	}
}

func (a *App) reload() (ok bool) {
	cfg, err := a.options.Settings()
	var faults config.Faults
	if errors.As(err, &faults) {
		for _, f := range faults {
			a.log.Error("settings were not reloaded", "setting", f.Setting, "problem", f.Problem, "fix", f.Fix)
		}
		return false
	}
	if err := a.takeOver(cfg); err != nil {
		a.log.Error("settings were not reloaded", "error", err)
		return false
	}
	if names := cfg.Restart(a.config); len(names) > 0 {
		a.log.Warn("settings were reloaded, but some take effect only after a restart", "settings", names)
		return true
	}
	a.log.Info("settings were reloaded")
	return true
}

func (a *App) takeOver(cfg config.Config) error {
	ctx, cancel := context.WithTimeout(context.Background(), reloadTimeout)
	defer cancel()
	keys := cfg.Keys()
	if keys == nil && a.config.Redis == nil {
		var err error
		if keys, err = session.LoadOrCreateKeys(a.config.SessionDir); err != nil {
			return fmt.Errorf("SESSION_DIR: %w", err)
		}
	}
	if err := a.provider.RenewCredential(ctx); err != nil {
		return fmt.Errorf("the credential: %w", err)
	}
	if err := a.sessions.Records().SetKeys(keys); err != nil {
		return fmt.Errorf("SESSION_KEYS: %w", err)
	}
	a.level.Set(cfg.LogLevel)
	return nil
}

// currentCredential reads the credential that the settings name by now. It must be of the same app, and no other kind of
// credential than a secret or a certificate: everything else takes a restart.
func currentCredential(was config.Config, o Options) func(context.Context) (entra.Credential, error) {
	return func(ctx context.Context) (entra.Credential, error) {
		cfg, _ := o.Settings() // a fault of another setting is none of the credential
		if cfg.ClientID != was.ClientID || cfg.Authority != was.Authority {
			return entra.Credential{}, errors.New("CLIENT_ID or AUTHORITY has changed, which takes a restart")
		}
		read, err := backing.ReadCredential(ctx, cfg.Credential, o.Client, o.Now)
		if err != nil {
			return entra.Credential{}, err
		}
		if read.Secret == "" && read.Certificate == nil {
			return entra.Credential{}, errors.New("the settings hold no secret and no certificate any more")
		}
		return entra.Credential{Secret: read.Secret, Certificate: read.Certificate}, nil
	}
}
