package browser

import "testing"

// A page that waits for a look shows what it has told, whatever that is about: the heading of the page stays as it is
// while the old token is seen to be revoked.
func TestPageShowsWhatALookFinds(t *testing.T) {
	t.Parallel()
	for name, scripts := range map[string]bool{"with scripts": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, d := openTab(t), startDemo(t)
			if !scripts {
				b.withoutScripts()
			}
			b.open(d.url)
			b.signIn("Mona Rivera")
			b.open(d.url + "/tokens?organization=contoso&q=Build+agent")
			b.press(link("Build agent pool"))
			b.press(link("Rotate"))
			b.press(button("Rotate"))
			b.press(button("I have saved it"))
			d.failAlways("resetAfterDoing", "revoke")
			d.failAlways("cutJSON", "list")
			b.press(button("Revoke the old token"))
			b.see(words("We couldn't confirm whether the old token was revoked"))
			d.mend()
			b.see(words("The old token is revoked"))
			b.quiet()
		})
	}
}
