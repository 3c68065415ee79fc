package features

import (
	"net/http"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/simulator"
	"github.com/patdesk/patdesk/internal/testkit/apptest"
)

// A guest's name has signs that addresses and pages give a meaning of their own.
func TestGuest(t *testing.T) {
	t.Parallel()
	const username = "mona_woodgrove.example#EXT#@contoso.onmicrosoft.example"
	o := apptest.Seeded()
	guest := simulator.New(simulator.Options{}).People()[0]
	guest.Name, guest.Username = `Mona "Guest" #EXT# <Rivera>`, username
	o.Sim.People = []simulator.Person{guest}
	d := apptest.Start(t, o)
	b := d.SignedIn(guest.Name)
	if !strings.Contains(b.Body, strings.ReplaceAll(username, "+", "&#43;")) {
		t.Errorf("the page doesn't say who is signed in:\n%s", b.Text())
	}
	b.Open(d.URL+"/tokens/new?organization=contoso").Fill("Name", "of a guest").Choose("Code", "Read").Press("Create token")
	if secret := apptest.SecretOf(b); b.Status != http.StatusOK || secret == "" {
		t.Fatalf("%d\n%s", b.Status, b.Text())
	}
	b.Press("I have saved it").Open(d.URL + "/changes")
	if !strings.Contains(b.Text(), "of a guest") {
		t.Errorf("%s", b.Text())
	}
}
