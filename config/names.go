package config

import (
	"cmp"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// warnOfNames warns of every name in .env that isn't a setting: the file is patdesk's own, so its author meant
// something by it.
func (s *source) warnOfNames() {
	for _, name := range slices.Sorted(maps.Keys(s.dotenv)) {
		meant := similar(name)
		_, behindSet, isSet := strings.Cut(name, " ")
		switch {
		case slices.Contains(Names(), name):
		case isSet && slices.Contains(Names(), behindSet):
			s.warn(behindSet, "its line in .env begins with another word, as in a command prompt, so it has no effect. Leave out all in front of "+behindSet+"=.")
		case meant != "":
			s.warn(name, "this name in .env is not a setting of patdesk, so it has no effect. Did you mean "+meant+"?")
		case readFromProcess(name):
			s.warn(name, "it has no effect in .env, because it is read from the environment. Set it there.")
		case settingName.MatchString(name):
			s.warn(name, "this name in .env is not a setting of patdesk, so it has no effect. Remove it, or look for the right name in docs/configuration.md.")
		default: // it may be part of a secret that was torn over several lines
			s.warn(".env", "there is a line in it that sets nothing of patdesk's. Look for one that doesn't begin with a name and =.")
		}
	}
}

// settingName is what people call settings.
var settingName = regexp.MustCompile(`^[A-Z][A-Z0-9]*([_.-][A-Z0-9]+){0,8}$`)

// Misspelt warns of variables that were probably meant for patdesk. environ is as os.Environ gives it. Unlike .env the
// environment is everybody's, so only names that come very close are named; a setting that is given under its right
// name, too, isn't missed.
func Misspelt(environ []string) []string {
	set := map[string]bool{}
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		set[name] = value != ""
	}
	var warnings []string
	for _, name := range slices.Sorted(maps.Keys(set)) {
		meant := similar(name)
		right := slices.ContainsFunc(Names(), func(known string) bool {
			return known == name || runtime.GOOS == "windows" && strings.EqualFold(known, name) // where names have no case
		})
		if right || meant == "" || !set[name] || set[meant] || slices.Contains(everybodys, strings.ToUpper(name)) {
			continue
		}
		warnings = append(warnings, name+": this variable in the environment is not a setting of patdesk, so it has no effect. Did you mean "+meant+"?")
	}
	return warnings
}

// everybodys are names that others set for themselves, too.
var everybodys = []string{
	"AZURE_CLIENT_ID", "APPLICATION_ID", "APP_ID", "AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "TENANT_ID", "AZURE_TENANT_ID", "TENANT",
	"COLLECTION", "AZURE_DEVOPS_ORGANIZATION", "HOST", "PORT", "DEBUG", "VERBOSE", "REDIS_HOST", "REDIS_PORT", "SECRET_KEY", "APP_URL",
}

// readFromProcess reports whether Go's libraries, Azure's or OpenTelemetry's read that variable from the environment.
func readFromProcess(name string) bool {
	name = strings.ToUpper(name)
	return slices.Contains([]string{"SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "GODEBUG", "GOGC", "GOMEMLIMIT", "GOMAXPROCS", "TZ"}, name) ||
		strings.HasPrefix(name, "AZURE_") || strings.HasPrefix(name, "OTEL_")
}

// otherNames are what other programs call our settings.
var otherNames = map[string][]string{
	clientID:            {"AZURE_CLIENT_ID", "APPLICATION_ID", "APP_ID"},
	clientSecret:        {"AZURE_CLIENT_SECRET"},
	certificateFile:     {"AZURE_CLIENT_CERTIFICATE_PATH", "CERTIFICATE_FILE", "CLIENT_CERTIFICATE", "CLIENT_CERTIFICATE_PATH", "CLIENT_CERT"},
	certificatePassword: {"CERTIFICATE_PASSWORD"},
	authority:           {"TENANT_ID", "AZURE_TENANT_ID", "TENANT"},
	organizations:       {"COLLECTION", "AZURE_DEVOPS_ORGANIZATION", "ORGS"},
	redirectPath:        {"REDIRECT_URI", "REDIRECT_URL", "CALLBACK_PATH", "CALLBACK_URL"},
	listenAddress:       {"HOST", "PORT", "LISTEN", "BIND", "BIND_ADDRESS"},
	baseURL:             {"PUBLIC_URL", "EXTERNAL_URL", "ROOT_URL", "APP_URL", "BASE_PATH", "PUBLIC_BASE_URL", "SITE_URL"},
	sessionKeys:         {"SESSION_SECRET", "SESSION_COOKIE_SECRET", "COOKIE_SECRET", "SECRET_KEY"},
	sessionIdleTimeout:  {"SESSION_TIMEOUT", "IDLE_TIMEOUT"},
	sessionLifetime:     {"SESSION_MAX_AGE", "SESSION_LIFESPAN", "SESSION_TTL"},
	sessionType:         {"SESSION_STORE", "SESSION_BACKEND"},
	sessionDir:          {"SESSION_FILE_DIR", "SESSION_PATH"},
	redisURL:            {"REDIS_HOST", "REDIS_PORT", "REDIS_ADDRESS"},
	logLevel:            {"DEBUG", "VERBOSE"},
	metricsAddress:      {"METRICS_PORT", "METRICS_LISTEN"},
	shutdownDelay:       {"SHUTDOWN_TIMEOUT"},
	secretDisplayTime:   {"SECRET_TTL"},
	keyVaultURL:         {"KEYVAULT_NAME", "KEY_VAULT_NAME"},
	tracesEndpoint:      {"OTEL_ENDPOINT", "OTLP_ENDPOINT"},
	allowedTenants:      {"TENANTS"},
	trustedProxies:      {"PROXIES"},
}

// similar returns the setting that name was probably meant to be, "" if none comes close.
func similar(name string) string {
	name = strings.ToUpper(name)
	for known, others := range otherNames {
		if slices.Contains(others, name) {
			return known
		}
	}
	for _, known := range Names() { // Kubernetes sets PATDESK_PORT and its like by itself
		if name == "PATDESK_"+known || slices.Equal(wordsOf(name), wordsOf(known)) {
			return known
		}
	}
	best, least := "", 4
	for _, known := range Names() {
		a, b := plain(name), plain(known)
		if d := distance(a, b); d < least && d <= tolerated(a, b) {
			best, least = known, d
		}
	}
	return best
}

// otherWords are what people write for a word of a setting's name.
var otherWords = map[string]string{
	"ADDR": "ADDRESS", "DIRECTORY": "DIR", "FOLDER": "DIR", "PASS": "PASSWORD", "PWD": "PASSWORD", "URI": "URL", "LVL": "LEVEL", "LOGGING": "LOG",
	"CERT": "CERTIFICATE", "FILENAME": "FILE", "ALLOWED": "ALLOW", "TTL": "TIME",
}

// wordsOf are those of a name, in an order in which names of the same words are the same.
func wordsOf(name string) []string {
	words := strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune("_-.", r) })
	for i, word := range words {
		words[i] = cmp.Or(otherWords[word], word)
	}
	slices.Sort(words)
	return words
}

// tolerated is how many letters may differ between a name and a setting, of which a pair swapped counts as two: more in
// a long name, where as much is left that is the same. Whole words in front make another name (XDG_SESSION_TYPE).
func tolerated(name, known string) int {
	switch n := min(len(name), len(known)); {
	case n < 5:
		return 0
	case n < 7:
		return 1
	case n < 10 || name[0] != known[0]:
		return 2
	default:
		return 3
	}
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

// warnOfSystem warns of a system on which nothing is tested. docs/supported-systems.md has them.
func (s *source) warnOfSystem(goos string, c Config) {
	if goos == "linux" {
		return
	}
	s.warn(goos, "patdesk is built for this system and not tested on it: docs/supported-systems.md says what to expect.")
	if goos == "windows" && c.Redis == nil {
		s.warn(sessionDir, "patdesk can't see here who else may read "+c.SessionDir+": let only its own account at that folder.")
	}
}
