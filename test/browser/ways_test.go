package browser

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/patdesk/patdesk/internal/testkit"
)

// A way to use pages: use brings about what a click on the control does, without leading to another page.
type way struct {
	*tab
	use func(control chromedp.Search) []chromedp.Action[chromedp.Void]
}

// ways are three that leave something out: the mouse, JavaScript, and room.
var ways = map[string]func(b *tab) way{
	"keyboard alone": func(b *tab) way {
		return way{b, b.byKeys}
	},
	"without JavaScript": func(b *tab) way {
		b.withoutScripts()
		return way{b, clicked}
	},
	"phone": func(b *tab) way {
		b.through(windows[2])
		return way{b, func(control chromedp.Search) []chromedp.Action[chromedp.Void] {
			b.within(control)
			return clicked(control)
		}}
	},
}

func clicked(control chromedp.Search) []chromedp.Action[chromedp.Void] {
	return []chromedp.Action[chromedp.Void]{chromedp.Click(control)}
}

// mostTabs is more than the way through any of the pages, by its links and fields, takes.
const mostTabs = 150

// find is the element that an XPath finds, in JavaScript.
func find(control chromedp.Search) string {
	return fmt.Sprintf(`document.evaluate(%q, document, null, XPathResult.FIRST_ORDERED_NODE_TYPE).singleNodeValue`, string(control))
}

// byKeys goes to the control with Tab, over the link that skips the frame. There it presses what sets such a control off.
func (b *tab) byKeys(control chromedp.Search) []chromedp.Action[chromedp.Void] {
	b.t.Helper()
	b.see(control)
	b.do("mark the control", chromedp.Evaluate[chromedp.Void](`(() => {
		const found = `+find(control)+`, label = found.closest("label");
		(label ? label.control : found).dataset.wanted = "";
	})()`))
	for range mostTabs {
		b.do("Tab", chromedp.KeyEvent(kb.Tab))
		switch at := read(b, "focus", chromedp.Evaluate[string](focusedControl)); at {
		case "":
		case "unseen":
			b.t.Errorf("%s: the focus can't be seen on %q", b.path(), b.focused())
		case "skip":
			b.do("skip", chromedp.KeyEvent(kb.Enter))
		default:
			return []chromedp.Action[chromedp.Void]{chromedp.KeyEvent(map[string]string{"box": " ", "other": kb.Enter}[at] + strings.Repeat(kb.ArrowDown, strings.Count(at, ">")))}
		}
	}
	b.t.Fatalf("%s: Tab doesn't lead to %s", b.path(), control)
	return nil
}

// focusedControl says what Tab has led to: nothing of interest, what can't be seen to have the focus, the link that skips
// the frame, or what is wanted. That is a box, another control, or a radio button, which is some arrows (">") further on.
const focusedControl = `(() => {
	const at = document.activeElement, wanted = document.querySelector("[data-wanted]");
	const {outlineStyle, outlineWidth} = getComputedStyle(at.closest(".templates li") ?? at);
	if (at.matches(".skip-link")) return "skip";
	if (at !== document.body && (outlineStyle === "none" || outlineWidth === "0px")) return "unseen";
	const group = at.type === "radio" ? [...document.getElementsByName(at.name)] : [at];
	if (!group.includes(wanted)) return "";
	delete wanted.dataset.wanted;
	if (at.type === "radio") return ">".repeat((group.indexOf(wanted) - group.indexOf(at) + group.length) % group.length) || "box";
	return at.type === "checkbox" ? "box" : "other";
})()`

// within checks that the page is no wider than the window, and that a finger hits the control.
func (b *tab) within(control chromedp.Search) {
	b.t.Helper()
	b.see(control)
	for _, fault := range read(b, "within the window", chromedp.Evaluate[[]string](`(() => {
		const found = `+find(control)+`, faults = [];
		found.scrollIntoView({block: "center"}); // from under the bar that says what is selected
		const box = found.getBoundingClientRect();
		if (document.documentElement.scrollWidth > innerWidth) faults.push("the page is wider than the window");
		if (box.left < 0 || box.right > innerWidth) faults.push("it stands outside of the window");
		if (found.matches("button, .button") && box.height < 24) faults.push("it is too low to hit");
		return faults;
	})()`)) {
		b.t.Errorf("%s, %s: %s", b.path(), control, fault)
	}
}

// to uses a control that leads to another page, which begins where its reader is: at its heading, or at what was done.
func (w way) to(control chromedp.Search, says string) {
	w.t.Helper()
	w.leave("use "+string(control), w.use(control)...)
	w.see(words(says))
}

// led is to, for what does something: the focus is on what came of it.
func (w way) led(control chromedp.Search, says string) {
	w.t.Helper()
	w.to(control, says)
	read(w.tab, "the focus after "+string(control), chromedp.Poll[bool](`document.activeElement.matches("h1, .notice, #mistakes")`))
}

// The pages that people use most can be used without a mouse, without JavaScript, and on a phone: overview, list,
// bulk, rotate and secret. A short run tries one of the ways.
func TestEveryWay(t *testing.T) {
	t.Parallel()
	for _, name := range testkit.Sample(t, 1, slices.Sorted(maps.Keys(ways))) {
		in := ways[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, w := startDemo(t), in(openTab(t))
			w.open(d.url)
			w.signIn("Mona Rivera")
			w.open(d.url + "/overview")
			w.see(words("What needs attention"))
			w.to(chromedp.Search(`//main//li[contains(., "npm restore on CI")]//a[normalize-space()="Rotate" or starts-with(normalize-space(), "Rotate ")]`), "Rotate npm restore on CI")

			w.do("another expiry", w.use(choice("Expiry", "90 days"))...)
			w.led(button("Rotate"), "Its secret isn't saved yet")
			secret := w.secret()
			if len(secret) != 84 {
				t.Errorf("the secret is %q", secret)
			}
			w.led(button("I have saved it"), "You have saved its secret")
			if strings.Contains(w.text(), secret) {
				t.Error("the secret is still shown")
			}
			w.led(button("Revoke the old token"), "The rotation is finished")

			w.open(d.url + "/tokens?organization=contoso")
			w.do("search", chromedp.SendKeys(field("Search"), "Terraform"))
			w.to(button("Search"), "Terraform")
			w.to(link("Terraform"), "About this token")

			w.open(d.url + "/tokens?organization=fabrikam&sort=name")
			for n := 1; n <= 2; n++ {
				w.do("select", w.use(box(n))...)
			}
			w.led(button("Revoke selected"), "Revoke 2 tokens?")
			w.led(startButton, "2 tokens revoked")
			w.quiet()
		})
	}
}
