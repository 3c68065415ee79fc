package preflight

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/patdesk/patdesk/internal/panics"
)

// outcome is how a try ended.
type outcome string

// The outcomes. outcomeFailed is for what doesn't do what the settings want of it.
const (
	outcomeOK      outcome = "ok"
	outcomeWarning outcome = "warning"
	outcomeFailed  outcome = "failed"
)

// row is one line of the table.
type row struct {
	What    string // "Entra ID", or the name of a setting
	Outcome outcome
	Found   string // what was seen, in a sentence
	Advice  string // what to do; "" if there is nothing to do
}

// try is one thing to try. Do must give up when ctx ends.
type try struct {
	What string
	Do   func(ctx context.Context) row
}

// grace is how much longer than its time a try is waited for: one that hangs where no context reaches is given up.
const grace = time.Second

// runAll tries everything at once and returns the rows in the order of the tries. It takes limit and grace at most.
func runAll(ctx context.Context, limit time.Duration, tries []try) []row {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make([]chan row, len(tries))
	for i, t := range tries {
		done[i] = make(chan row, 1)
		panics.Go(slog.New(slog.DiscardHandler), t.What, func() {
			row := row{Outcome: outcomeFailed, Found: "Trying it ran into a fault of patdesk itself.", Advice: "Please report it. The other lines stand."}
			defer func() { done[i] <- row }()
			row = t.Do(ctx)
		})
	}
	rows := make([]row, 0, len(tries))
	for i, t := range tries {
		rows = append(rows, await(ctx, t.What, limit, done[i]))
	}
	return rows
}

func await(ctx context.Context, what string, limit time.Duration, done <-chan row) row {
	select {
	case row := <-done:
		return named(row, what)
	case <-ctx.Done():
	}
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case row := <-done:
		return named(row, what)
	case <-late.C:
		return row{What: what, Outcome: outcomeFailed, Found: fmt.Sprintf("No answer within %s.", limit), Advice: adviceTimeout}
	}
}

func named(row row, what string) row {
	row.What = what
	return row
}

// failures counts the rows that failed.
func failures(rows []row) int {
	n := 0
	for _, r := range rows {
		if r.Outcome == outcomeFailed {
			n++
		}
	}
	return n
}

// width is that of the whole table: wide enough for addresses, and still one line on most terminals.
const width = 120

// printTable writes the table. Long sentences are broken, and go on below where they began.
func printTable(w io.Writer, rows []row) {
	first := utf8.RuneCountInString("What")
	for _, r := range rows {
		first = max(first, utf8.RuneCountInString(r.What))
	}
	second := len("warning")
	indent := strings.Repeat(" ", first+2+second+2)
	line := func(what, outcome, text string) {
		fmt.Fprintf(w, "%-*s  %-*s  %s\n", first, what, second, outcome, text)
	}
	line("What", "Result", "What was found, and what to do")
	line(strings.Repeat("-", first), strings.Repeat("-", second), strings.Repeat("-", len("What was found, and what to do")))
	for _, r := range rows {
		lines := slices.Concat(broken(r.Found, width-len(indent)), broken(r.Advice, width-len(indent)))
		for i, text := range lines {
			if i == 0 {
				line(r.What, string(r.Outcome), text)
				continue
			}
			fmt.Fprintln(w, indent+text)
		}
	}
}

// broken breaks text between words so that no line is longer than limit, unless a word is. What a service has said may
// be part of it: nothing that a terminal obeys is left.
func broken(text string, limit int) []string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > limit:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	if line == "" {
		return lines
	}
	return append(lines, line)
}
