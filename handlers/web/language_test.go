package web

import "testing"

func TestChoiceReturn(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"/tokens?q=x":                     "/tokens?q=x",
		"/sign-in?return=%2Ftokens":       "/sign-in?return=%2Ftokens",
		"/sign-in":                        "/sign-in",
		"/sign-in/start?return=%2Ftokens": "/",
		"/sign-out":                       "/",
		"//evil.example/sign-in":          "/",
		"https://evil.example/sign-in":    "/",
		"javascript:alert(1)":             "/",
		"":                                "/",
	} {
		if got := choiceReturn(raw); got != want {
			t.Errorf("%q leads to %q, want %q", raw, got, want)
		}
	}
}
