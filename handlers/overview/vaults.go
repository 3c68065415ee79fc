package overview

import (
	"strings"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/inventory"
)

// vaultGroup is what doesn't fit between the vaults and the tokens. A secret whose token isn't found is named once all
// tokens were read: until then it may be one of the others.
func vaultGroup(v *web.Request, kept *web.Kept, s inventory.Inventory) (attentionGroup, bool) {
	text := v.Words.Message("attention.vault", nil)
	g := attentionGroup{ID: "vault", Heading: text.Title, What: text.What}
	if kept == nil {
		return g, false
	}
	tokens := s.Tokens()
	for _, t := range tokens {
		for _, place := range kept.Places(v, t) {
			if len(place.Marks) > 0 {
				g.Lines = append(g.Lines, attentionLine{
					Name: web.ShownName(v.Words, t.DisplayName), URL: web.TokenURL(v, t.Organization, &t.Token),
					Facts: strings.Join(append([]string{place.Text}, place.Marks...), " · "),
				})
			}
		}
	}
	if s.Complete() {
		for _, orphan := range kept.Orphans(tokens) {
			g.Lines = append(g.Lines, attentionLine{Name: orphan, Facts: v.Words.Text("inVault.orphan")})
		}
	}
	g.Count = len(g.Lines)
	return g, g.Count > 0
}
