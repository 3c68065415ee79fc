package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/patdesk/patdesk/config"
	"github.com/patdesk/patdesk/internal/backing"
	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/session"
)

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
