package overview

import (
	"fmt"
	"slices"
	"time"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/handlers/web/tokenlist"
	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/inventory"
	"github.com/patdesk/patdesk/templates"
)

const (
	timelineBar  = 72  // pixels of the longest bar; above it stand its count, and above all counts when global tokens end
	timelineBase = 112 // where the bars stand
	shownEnds    = 3   // names in a row of the table
)

// timeline is the picture of the next twelve months: one bar for each week in which tokens end. Positions along it are
// in percent, so that it fits every width without its words shrinking.
type timeline struct {
	Months []timelineMonth
	Marks  templates.Rows[timelineMark]
	Total  int
	GlobalX, GlobalText,
	GlobalAnchor string // where global tokens end, "" if there are none or it is past
}

type timelineMonth struct{ X, Name string }

type timelineMark struct {
	X, Width, LabelX string
	Y, Height        int
	LabelY           int
	First, Last      templates.When // days of the week
	Count            int
	Names            shownNames
	More             int
	URL, Class       string
}

// shownNames are the names of the first tokens of a week, "" where there are fewer.
type shownNames [shownEnds]string

// All are those that there are.
func (s shownNames) All() []string {
	n := slices.Index(s[:], "")
	if n < 0 {
		n = len(s)
	}
	return s[:n]
}

// newTimeline counts the ends of active tokens by weeks, from today on. nil: none of them ends in that time.
func newTimeline(v *web.Request, tokens []inventory.Token) *timeline {
	start := web.Midnight(v.Now)
	end := start.AddDate(1, 0, 0)
	span := end.Sub(start)
	weeks := make([][]*inventory.Token, int(span/(7*web.Day))+1)
	line, most := &timeline{}, 0
	for i := range tokens {
		t := &tokens[i]
		if t.Status != azuredevops.Active || t.Ends().Before(start) || !t.Ends().Before(end) {
			continue
		}
		week := inventory.DaysUntil(t.Ends(), v.Now) / 7
		weeks[week] = append(weeks[week], t)
		most = max(most, len(weeks[week]))
		line.Total++
	}
	if line.Total == 0 {
		return nil
	}
	for week, ending := range weeks {
		if len(ending) > 0 {
			line.Marks = append(line.Marks, newMark(v, start.AddDate(0, 0, 7*week), span, ending, most))
		}
	}
	for month := time.Date(start.Year(), start.Month()+1, 1, 0, 0, 0, 0, start.Location()); month.Before(end); month = month.AddDate(0, 1, 0) {
		line.Months = append(line.Months, timelineMonth{X: percent(month.Sub(start), span), Name: v.Words.Month(month.Month())})
	}
	line.markGlobalEnd(v.Words, tokens, start, span)
	return line
}

func newMark(v *web.Request, first time.Time, span time.Duration, ending []*inventory.Token, most int) timelineMark {
	start := web.Midnight(v.Now)
	last := first.AddDate(0, 0, 6)
	at, width := first.Sub(start), min(7*web.Day, span-first.Sub(start))
	m := timelineMark{
		X: percent(at, span), Width: percent(width-web.Day, span), LabelX: percent(at+(width-web.Day)/2, span),
		Height: max(6, len(ending)*timelineBar/most), First: v.When(first), Last: v.When(last), Count: len(ending),
	}
	m.Y = timelineBase - m.Height
	m.LabelY = m.Y - 5
	earliest := ending[0]
	for _, t := range ending {
		if t.Ends().Before(earliest.Ends()) {
			earliest = t
		}
	}
	for i := range min(shownEnds, len(ending)) {
		m.Names[i] = web.ShownName(v.Words, ending[i].DisplayName)
	}
	m.More = max(0, len(ending)-shownEnds)
	m.Class = string(earliest.Urgency(v.Now))
	m.URL = web.TokenURL(v, earliest.Organization, &earliest.Token)
	if len(ending) > 1 || m.URL == "" {
		m.URL = tokenlist.View{Narrow: tokenlist.Filter{From: first, To: last}}.Link(v)
	}
	return m
}

func (l *timeline) markGlobalEnd(w *templates.Words, tokens []inventory.Token, start time.Time, span time.Duration) {
	ahead := azuredevops.GlobalTokensEnd.Sub(start)
	if ahead <= 0 || ahead >= span {
		return
	}
	for _, t := range tokens {
		if t.LivingGlobal() {
			l.GlobalX, l.GlobalText, l.GlobalAnchor = percent(ahead, span), w.Message("timeline.globalEnd", nil).Title, "start"
			if ahead > span*2/3 {
				l.GlobalAnchor = "end"
			}
			return
		}
	}
}

func percent(part, whole time.Duration) string {
	return fmt.Sprintf("%.2f%%", 100*float64(part)/float64(whole))
}
