package config

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/joho/godotenv"
)

// dollar stands in for "$" while a .env file is parsed. godotenv would take "$NAME" inside a value for a variable and
// put nothing in its place, so that a secret with a dollar sign would lose its tail without a word.
const dollar = "\uE000"

// readDotenv reads the file of settings, if there is one; there never is one called "".
func (s *source) readDotenv(path string) {
	content, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return
	case err != nil:
		s.broken = true
		s.fault(path, "can't be read", "Let the user that runs patdesk read it, or remove it.")
		return
	}
	text := strings.TrimPrefix(string(content), "\uFEFF")
	text = strings.ReplaceAll(text, "\r\n", "\n") + "\n"
	s.dotenv, err = parseDotenv(text)
	if err != nil { // its text quotes the file, secrets included, so it is not shown
		s.broken = true
		s.fault(path, "can't be understood from line "+strconv.Itoa(brokenLine(text))+" on",
			"Write each setting on a line of its own as NAME=value or NAME=\"value\", with the quotes closed, and comments after a #.")
		return
	}
	s.warnOfPermissions(path)
	s.warnOfNames()
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

func (s *source) warnOfPermissions(path string) {
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS == "windows" { // where a file's mode says nothing about who may read it
		return
	}
	if info.Mode().Perm()&0o077 != 0 {
		s.warn(path, "other users of this machine may read it. Run: chmod 600 "+path)
	}
}

// warnOfNames warns of names that patdesk doesn't read but that were probably meant for it.
func (s *source) warnOfNames() {
	for _, name := range slices.Sorted(maps.Keys(s.dotenv)) {
		if slices.Contains(Names(), name) {
			continue
		}
		if meant := similar(name); meant != "" {
			s.warn(name, "this name in .env is not a setting of patdesk, so it has no effect. Did you mean "+meant+"?")
		} else if slices.Contains(processOnly, strings.ToUpper(name)) {
			s.warn(name, "it has no effect in .env, because Go reads it from the environment. Set it there.")
		}
	}
}

// processOnly are variables that Go's own libraries read from the environment of the process.
var processOnly = []string{"SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "GODEBUG", "GOMEMLIMIT"}

// otherNames are what other programs call our settings.
var otherNames = map[string]string{
	"AZURE_CLIENT_ID":               clientID,
	"APPLICATION_ID":                clientID,
	"APP_ID":                        clientID,
	"AZURE_CLIENT_SECRET":           clientSecret,
	"AZURE_CLIENT_CERTIFICATE_PATH": certificateFile,
	"TENANT_ID":                     authority,
	"AZURE_TENANT_ID":               authority,
	"TENANT":                        authority,
	"COLLECTION":                    organizations,
	"AZURE_DEVOPS_ORGANIZATION":     organizations,
	"REDIRECT_URI":                  redirectPath,
	"HOST":                          listenAddress,
	"PORT":                          listenAddress,
}

// similar returns the setting that name was probably meant to be, "" if none comes close.
func similar(name string) string {
	if meant := otherNames[strings.ToUpper(name)]; meant != "" {
		return meant
	}
	const tolerated = 2 // a pair of letters swapped counts as two
	best, least := "", tolerated+1
	for _, known := range Names() {
		if d := distance(plain(name), plain(known)); d < least {
			best, least = known, d
		}
	}
	return best
}

// plain is a name without what people leave out or add most often.
func plain(name string) string {
	return strings.ToUpper(strings.NewReplacer("_", "", "-", "", ".", "").Replace(name))
}

// distance is Levenshtein's: how many letters have to be put in, taken out or replaced to make a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
