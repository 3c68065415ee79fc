package app

import (
	"io"
	stdlog "log" //nolint:depguard // for what libraries write there
	"log/slog"
	"strings"

	"github.com/patdesk/patdesk/config"
)

// newLog makes the log. Its level can be changed.
func newLog(cfg config.Config, level *slog.LevelVar, w io.Writer) *slog.Logger {
	level.Set(cfg.LogLevel)
	options := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// recordLibraries takes over Go's standard logger, where libraries write what they don't return.
func recordLibraries(log *slog.Logger) {
	stdlog.SetFlags(0)
	stdlog.SetOutput(libraries{log})
}

// libraries records what is written to it up to the first quotation: net/http quotes what a server has sent unasked.
type libraries struct{ log *slog.Logger }

func (l libraries) Write(line []byte) (int, error) {
	words, _, _ := strings.Cut(string(line), `"`)
	l.log.Warn("a library reports", "words", strings.TrimSpace(words))
	return len(line), nil
}
