package handlers

import (
	"cmp"
	"net/http"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/azuredevops"
)

func table(t *testing.T) chi.Routes {
	t.Helper()
	h, err := New(Options{Options: web.Options{RedirectPath: "/getAToken"}})
	if err != nil {
		t.Fatal(err)
	}
	routes, ok := h.Routes().(chi.Routes)
	if !ok {
		t.Fatal("the route table can't be walked")
	}
	return routes
}

// Every path that pages link to is a page of the table.
func TestPathsLeadSomewhere(t *testing.T) {
	routes := table(t)
	for _, path := range []string{
		web.HomePath, web.SignInPath, web.StartSignInPath, web.SignOutPath, web.OverviewPath, web.OrganizationsPath, web.TokensPath, web.NewTokenPath,
		web.ScopesPath, web.GlobalTokensPath, web.BulkPath, web.ChangesPath, web.SessionsPath, web.CalendarPath, web.ShortcutsPath, web.JumpPath, web.HealthPath, web.ReadyPath,
		web.TokenPath("contoso", "1", ""), web.TokenPath("contoso", "1", "edit"), web.TokenPath("contoso", "1", "revoke"), web.TokenPath("contoso", "1", "rotate"),
		web.ListPath(""), web.ListPath("contoso"), web.OperationPath("1"), web.BatchPath("1"), web.GlobalPath("contoso", "1"), web.FeedPath("x", web.CalendarFile), web.FeedPath("x", web.MetricsFile),
		web.StartPath("/tokens", "x"), web.ReplacementPath("contoso", azuredevops.Token{}),
	} {
		path, _, _ := strings.Cut(path, "?")
		if !routes.Match(chi.NewRouteContext(), http.MethodGet, path) {
			t.Errorf("%s is no page", path)
		}
	}
}

// What is posted has a page that holds its form: whoever has to sign in first, or wait, is led back there.
func TestFormsHavePages(t *testing.T) {
	routes, forms := table(t), 0
	err := chi.Walk(routes, func(method, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if method != http.MethodPost {
			return nil
		}
		forms++
		path := strings.NewReplacer("/*/", "/", "{", "", "}", "").Replace(pattern)
		for held := path; ; held = held[:strings.LastIndexByte(held, '/')] {
			if routes.Match(chi.NewRouteContext(), http.MethodGet, cmp.Or(held, web.HomePath)) {
				return nil
			}
			if held == path[:strings.LastIndexByte(path, '/')] {
				t.Errorf("%s is posted from no page", path)
				return nil
			}
		}
	})
	if err != nil || forms < 20 {
		t.Errorf("%d forms, %v", forms, err)
	}
}
