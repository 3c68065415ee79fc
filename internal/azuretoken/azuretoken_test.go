package azuretoken_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/patdesk/patdesk/internal/azuretoken"
	"github.com/patdesk/patdesk/internal/testkit"
)

const (
	scope  = "https://redis.azure.com/.default"
	object = "00000000-0000-4000-8000-00000000000a"
)

func newSource(t *testing.T) *azuretoken.Source {
	t.Helper()
	s, err := azuretoken.New(scope)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPassword(t *testing.T) {
	for name, c := range map[string]struct {
		token, user string
		want        string // "": an error
	}{
		"by the token":   {testkit.TokenOf(object), "", object},
		"by the setting": {testkit.TokenOf(object), "other", "other"},
		"no object":      {testkit.TokenOf(""), "", ""},
		"no JWT":         {"opaque-canary", "", ""},
		"no JSON":        {"e30.canary!.canary", "", ""},
		"no JWT, a user": {"opaque-canary", "other", "other"},
	} {
		t.Run(name, func(t *testing.T) {
			identity := testkit.StartIdentity(t)
			identity.Set(http.StatusOK, c.token, time.Hour)
			user, password, err := newSource(t).Password(t.Context(), c.user)
			if user != c.want || (err == nil) != (c.want != "") || err == nil && password != c.token {
				t.Errorf("%q, %v", user, err)
			}
			if err != nil && (password != "" || strings.Contains(err.Error(), "canary")) {
				t.Errorf("%q, %v", password, err)
			}
			if _, resource := identity.Asked(); resource != "https://redis.azure.com" {
				t.Errorf("asked for %q", resource)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	for status, want := range map[int]error{
		http.StatusBadRequest: azuretoken.ErrRefused, http.StatusForbidden: azuretoken.ErrRefused, http.StatusBadGateway: azuretoken.ErrUnavailable,
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			testkit.StartIdentity(t).Set(status, "", 0)
			token, err := newSource(t).Token(t.Context())
			if !errors.Is(err, want) || token.Reveal() != "" || strings.Contains(err.Error(), "canary") {
				t.Errorf("%v, want %v", err, want)
			}
			if errors.Is(want, azuretoken.ErrRefused) && !strings.HasSuffix(err.Error(), "(AADSTS700016)") {
				t.Errorf("without its code: %v", err)
			}
		})
	}
	t.Run("nothing", func(t *testing.T) {
		t.Setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
		if _, err := newSource(t).Token(t.Context()); !errors.Is(err, azuretoken.ErrNoIdentity) {
			t.Error(err)
		}
	})
	t.Run("unknown way", func(t *testing.T) {
		t.Setenv("AZURE_TOKEN_CREDENTIALS", "canary")
		if _, err := azuretoken.New(scope); !errors.Is(err, azuretoken.ErrNoIdentity) {
			t.Error(err)
		}
	})
}

// An endpoint that takes longer than a caller waits is heard to its end, for the next one.
func TestSlowEndpoint(t *testing.T) {
	identity := testkit.StartIdentity(t)
	identity.Set(http.StatusOK, testkit.TokenOf(object), time.Hour)
	release := identity.Hold()
	defer release()
	s := newSource(t)
	impatient, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, err := s.Token(impatient)
		first <- err
	}()
	testkit.Until(t, "the endpoint is asked", func() bool { n, _ := identity.Asked(); return n == 1 })
	cancel()
	if err := <-first; !errors.Is(err, azuretoken.ErrUnavailable) {
		t.Error(err)
	}
	release()
	token, err := s.Token(t.Context())
	if n, _ := identity.Asked(); err != nil || token.Object != object || n != 1 {
		t.Errorf("%v, %v, asked %d times", token, err, n)
	}
}

func TestTokenIsNeverPrinted(t *testing.T) {
	testkit.StartIdentity(t).Set(http.StatusOK, testkit.TokenOf(object), time.Hour)
	token, err := newSource(t).Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "token", token)
	fmt.Fprintf(&out, "%v %+v %#v %s %q %d %v", token, token, token, token, token, token, &token)
	if strings.Contains(out.String(), "canary") || !strings.Contains(out.String(), object) {
		t.Error(out.String())
	}
}
