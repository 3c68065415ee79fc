package config

import (
	"errors"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// source is where settings come from, and where everything wrong with them is gathered.
type source struct {
	getenv   func(string) string
	dotenv   map[string]string
	broken   bool // the .env file can't be understood, so that what seems missing may be in it
	faults   Faults
	warnings []string
	hidden   []string // values of secrets, which no fault or warning may show
}

func newSource(getenv func(string) string, dotenv string) *source {
	s := &source{getenv: getenv}
	s.readDotenv(dotenv)
	return s
}

// raw is the setting as it was written, without the space around it; "" if it isn't set. A variable that is empty
// counts as not set, in the environment too.
func (s *source) raw(name string) string {
	if v := s.environment(name); v != "" {
		return v
	}
	return strings.TrimSpace(s.dotenv[name])
}

// environment is the variable without a pair of quotes around it, which "docker run --env-file" leaves there: that
// option reads a file that looks like .env but knows no quotes.
func (s *source) environment(name string) string {
	v := strings.TrimSpace(s.getenv(name))
	if isQuoted(v) {
		return strings.TrimSpace(v[1 : len(v)-1])
	}
	return v
}

// origin says in words where raw(name) came from.
func (s *source) origin(name string) string {
	if s.environment(name) != "" {
		return name + " (environment)"
	}
	return name + " (.env)"
}

// text is the setting's value, or its default. A placeholder that was left in is a fault.
func (s *source) text(name string) string {
	v := s.raw(name)
	if found := placeholder.FindString(v); found != "" {
		s.fault(name, "still holds the placeholder "+quote(found), "Put the real value in its place.")
		return ""
	}
	switch odd := unseen(v); {
	case v == "":
		return defaultOf(name)
	case inTypographicQuotes(v):
		s.fault(name, "is in typographic quotation marks: "+quote(v), typographicFix)
		return ""
	case strings.ContainsRune(v, utf8.RuneError):
		s.fault(name, "isn't UTF-8: "+quote(v), utf16Fix)
		return ""
	case odd != "":
		s.fault(name, "has a character that doesn't show ("+odd+"): "+quote(v), "Type the value anew.")
		return ""
	}
	return v
}

// placeholder finds what samples and documentation write where a value belongs, and Python that was pasted as a value.
// The Flask sample has Enter_the_Application_Id_here, Enter_the_Tenant_Name_Here and their like:
// https://github.com/microsoft/azure-devops-auth-samples/blob/master/PersonalAccessTokenAPIAppSample/app_config.py
var placeholder = regexp.MustCompile(`(?i)enter_the_\w+|os\.(getenv|environ)\b|<[a-z][a-z _-]*>|\{[a-z][a-z _-]*\}`)

// secretPlaceholder is stricter: a secret may contain anything.
var secretPlaceholder = regexp.MustCompile(`(?i)^(enter_the_\w+|os\.(getenv|environ)\b.*|<[a-z _-]+>)$`)

func defaultOf(name string) string {
	for _, setting := range Settings() {
		if setting.Name == name {
			return setting.Default
		}
	}
	return ""
}

// secret is the value of the secret setting name, given as itself or as a file.
func (s *source) secret(name string) Secret {
	value, file := s.raw(name), s.raw(name+fileSuffix)
	if value != "" && file != "" {
		s.hide(value)
		s.fault(name, "is given twice: as "+s.origin(name)+" and as "+s.origin(name+fileSuffix), "Remove one of them.")
		return Secret{}
	}
	from := name
	if file != "" {
		from = name + fileSuffix
		value = s.readFile(from, file)
	}
	s.hide(value)
	if value != "" && !s.checkSecret(name, from, value) {
		return Secret{}
	}
	if secretPlaceholder.MatchString(value) {
		s.fault(name, "still holds a placeholder", "Put the real value in its place.")
		return Secret{}
	}
	return NewSecret(value)
}

// hide keeps value out of every fault and warning. Very short ones are left alone: blotting them out would garble the
// sentences without keeping a secret.
func (s *source) hide(value string) {
	if len(value) >= 4 {
		s.hidden = append(s.hidden, value)
	}
}

// readFile returns the content of a secret's file without the newline that editors and echo put at its end.
func (s *source) readFile(name, path string) string {
	const limit = 64 << 10
	if !s.checkFile(name, path) {
		return ""
	}
	content, err := os.ReadFile(path)
	switch {
	case err != nil:
		s.fault(name, "names a file that can't be read", "Check the file's permissions.")
	case len(content) > limit:
		s.fault(name, "names a file of more than 64 kB, which can't be a secret", "Name the file that holds the secret alone.")
	case strings.TrimSpace(string(content)) == "":
		s.fault(name, "names an empty file", "Write the secret into it, or name another file.")
	default:
		return strings.TrimRight(string(content), "\r\n")
	}
	return ""
}

// checkFile reports whether path is a file that can be read, and is a fault of the setting name otherwise.
func (s *source) checkFile(name, path string) bool {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.fault(name, "names a file that doesn't exist"+shownPath(name, path), "Put the path of an existing file there.")
		return false
	case err != nil:
		s.fault(name, "names a file that can't be reached"+shownPath(name, path), "Check the path and the permissions of its folders.")
		return false
	case info.IsDir():
		s.fault(name, "names a folder"+shownPath(name, path), "Put the path of a file there.")
		return false
	}
	file, err := os.Open(path)
	if err != nil {
		s.fault(name, "names a file that can't be read"+shownPath(name, path), "Let the user that runs patdesk read it.")
		return false
	}
	_ = file.Close() // nothing was written
	return true
}

// shownPath is the path for the end of a sentence, unless it may be a secret or a key that was pasted by mistake.
func shownPath(name, path string) string {
	if strings.HasPrefix(path, "-----") || slices.Contains([]string{
		clientSecret + fileSuffix, certificatePassword + fileSuffix, sessionKeys + fileSuffix, redisURL + fileSuffix, redisPassword + fileSuffix,
	}, name) {
		return ""
	}
	return ": " + quote(path)
}

// fault adds one. The sentences must not contain the value of a secret.
func (s *source) fault(setting, problem, fix string) {
	s.faults = append(s.faults, Fault{setting, problem, fix})
}

// missing is the fault of a setting that patdesk can't do without.
func (s *source) missing(name, fix string) {
	if !s.broken && !s.faulty(name) {
		s.fault(name, "is not set", fix)
	}
}

// faulty reports whether the setting, or the file that stands for it, has a fault already.
func (s *source) faulty(name string) bool {
	return slices.ContainsFunc(s.faults, func(f Fault) bool {
		return f.Setting == name || f.Setting == name+fileSuffix
	})
}

// mayBeSet reports whether the setting is there, or may be in a .env that can't be understood. What is there and faulty
// must not be called missing.
func (s *source) mayBeSet(name string) bool { return s.broken || given(s, name) }

func (s *source) warn(setting, sentence string) {
	s.warnings = append(s.warnings, setting+": "+sentence)
}

func (s *source) addContradictions(found []contradiction) {
	var add Faults
	for _, c := range found {
		if !slices.ContainsFunc(c.between, s.faulty) {
			add = append(add, c.Fault)
		}
	}
	s.faults = append(s.faults, add...)
}

// err is all faults in the order of the documentation, or nil.
func (s *source) err() error {
	s.faults.sort()
	for i, f := range s.faults {
		s.faults[i] = Fault{f.Setting, s.blot(f.Problem), s.blot(f.Fix)}
	}
	return s.faults.orNil()
}

func (s *source) shownWarnings() []string {
	shown := make([]string, 0, len(s.warnings))
	for _, w := range s.warnings {
		shown = append(shown, s.blot(w))
	}
	return shown
}

// blot is the last safeguard: a secret that was pasted into a setting which isn't secret is shown by no sentence.
func (s *source) blot(sentence string) string {
	for _, value := range s.hidden {
		sentence = strings.ReplaceAll(sentence, value, "[set]")
	}
	return sentence
}

// quote shows a value that isn't secret: on one line, without control characters, and not at any length. The user name
// and password of a URL are left out.
func quote(value string) string {
	const limit = 100
	if at := strings.LastIndex(value, "@"); at >= 0 && strings.Contains(value[:at], "://") {
		value = "…" + value[at:]
	}
	if runes := []rune(value); len(runes) > limit {
		value = string(runes[:limit]) + "…"
	}
	return strconv.Quote(value)
}

// list splits a setting of several values: separated by commas, or written as a Python list such as the Flask sample's
// ["a", "b"].
func list(value string) []string {
	value = strings.TrimSpace(value)
	if n := len(value); n >= 2 && (value[0] == '[' && value[n-1] == ']' || value[0] == '(' && value[n-1] == ')') {
		value = value[1 : n-1]
	}
	var items []string
	for _, item := range strings.Split(value, ",") {
		if item = strings.Trim(strings.TrimSpace(item), `"'`); item != "" {
			items = append(items, item)
		}
	}
	return items
}
