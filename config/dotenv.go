package config

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"github.com/joho/godotenv"
)

// dollar stands in for "$" while a .env file is parsed. godotenv would take "$NAME" inside a value for a variable and
// put nothing in its place, so that a secret with a dollar sign would lose its tail without a word.
const dollar = "\uE000"

// maxDotenv is how large a file of settings can be, in bytes: all of them with their comments are 5 KB. The parser calls
// itself for each comment, and the search for a broken line parses again and again.
const maxDotenv = 64 << 10

// readDotenv reads the file of settings, if there is one; there never is one called "".
func (s *source) readDotenv(path string) {
	content, err := readBegin(path, maxDotenv+1)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if problem, fix := noText(content, err); problem != "" {
		s.broken = true
		s.fault(path, problem, fix)
		return
	}
	text := strings.TrimPrefix(string(content), byteOrderMark)
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text) + "\n"
	s.dotenv, err = parseDotenv(text)
	if err != nil { // its text quotes the file, secrets included, so it is not shown
		s.broken = true
		problem, fix := brokenWords(text)
		s.fault(path, problem, fix)
		return
	}
	s.warnOfPermissions(path)
	s.warnOfNames()
	s.warnOfTwice(path, text)
}

// readBegin reads a file, limit bytes of it at most.
func readBegin(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, limit))
}

// noText says why what was read of a .env can't be one, and what to do; "" if it can.
func noText(content []byte, err error) (problem, fix string) {
	switch {
	case err != nil:
		return "can't be read", "Let the user that runs patdesk read it and enter its folder, or start patdesk in another folder."
	case len(content) > maxDotenv:
		return "has more than 64 kB, which settings don't have", "Leave the settings alone in it. A certificate has a file of its own."
	case isUTF16(content):
		return "is written in UTF-16", utf16Fix
	case bytes.IndexByte(content, 0) >= 0:
		return "has zero bytes in it, so it isn't text", "Write it anew, with an editor."
	}
	return "", ""
}

var assignment = regexp.MustCompile(`(?m)^[ \t]*(?:export[ \t]+)?([A-Za-z_]+)[ \t]*[=:]`)

// warnOfTwice warns of settings that are there more than once: the last one counts, which may be the wrong one.
func (s *source) warnOfTwice(path, text string) {
	times := map[string]int{}
	for _, found := range assignment.FindAllStringSubmatch(text, -1) {
		times[found[1]]++
	}
	for _, name := range Names() {
		if times[name] > 1 {
			s.warn(name, "it is set "+strconv.Itoa(times[name])+" times in "+path+"; the last one counts.")
		}
	}
}

// parseDotenv is godotenv's parser, with "$" as an ordinary character. After an error it gives no settings.
func parseDotenv(text string) (map[string]string, error) {
	settings, err := godotenv.Unmarshal(strings.ReplaceAll(text, "$", dollar))
	if err != nil {
		return nil, err
	}
	for name, value := range settings {
		settings[name] = strings.ReplaceAll(value, dollar, "$")
	}
	return settings, nil
}

// brokenLine finds the line at which the first statement begins that can't be parsed: the one after the longest
// beginning of the file that can.
func brokenLine(text string) int {
	lines := strings.SplitAfter(text, "\n")
	for n := len(lines) - 1; n > 0; n-- {
		if _, err := parseDotenv(strings.Join(lines[:n], "")); err == nil {
			return n + 1
		}
	}
	return 1
}

// brokenWords say what stands at the line that can't be understood, without a word of it: it may hold a secret.
func brokenWords(text string) (problem, fix string) {
	const form = "Write each setting on a line of its own as NAME=value or NAME=\"value\", with the quotes closed, and comments after a #."
	n := brokenLine(text)
	lines := strings.Split(text, "\n")
	number, line := strconv.Itoa(n), strings.TrimSpace(lines[n-1])
	before := ""
	if n > 1 {
		before = strings.TrimSpace(lines[n-2])
	}
	switch {
	case opensList(line), opensList(before):
		if !opensList(line) {
			number = strconv.Itoa(n - 1)
		}
		return "has a list that goes on over several lines, from line " + number + " on", "Write it on one line, with commas between the values: NAME=one,two."
	case pythonLine.MatchString(line):
		return "holds Python in line " + number + " and not settings", "Copy the values alone. " + form
	case strings.ContainsAny(line, typographic):
		return "has typographic quotation marks in line " + number + " and can't be understood from there on", typographicFix + " " + form
	case strings.Count(line, `"`)%2 == 1, strings.Count(line, "'")%2 == 1:
		return "has a quotation mark in line " + number + " that isn't closed", form
	default:
		return "can't be understood from line " + number + " on", form
	}
}

// opensList reports whether a list of Python's begins on the line and doesn't end there.
func opensList(line string) bool {
	_, value, assigned := strings.Cut(line, "=")
	value = strings.TrimSpace(value)
	open := strings.HasPrefix(value, "[") && !strings.Contains(value, "]") || strings.HasPrefix(value, "(") && !strings.Contains(value, ")")
	return assigned && open
}

var pythonLine = regexp.MustCompile(`^(import|from|def|class|if|else|for|try|with|print|raise|return)\b|^@|^"""`)

func (s *source) warnOfPermissions(path string) {
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS == "windows" { // where a file's mode says nothing about who may read it
		return
	}
	if info.Mode().Perm()&0o077 != 0 {
		s.warn(path, "other users of this machine may read it. Run: chmod 600 "+path)
	}
}
