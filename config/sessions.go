package config

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// readSessions reads where sessions are kept, with which keys, and for how long.
func readSessions(s *source, c *Config) {
	c.Redis = readRedis(s, readSessionType(s))
	c.SessionDir = readSessionDir(s)
	c.SessionDirGroup = s.readBool(sessionDirGroup)
	c.SessionKeys = readSessionKeys(s)
	if c.SessionDirGroup && c.Redis == nil && len(c.SessionKeys) == 0 {
		s.missing(sessionKeys, "With "+sessionDirGroup+"=true whoever is in the group can read "+sessionDir+", so the keys must be elsewhere. Make one with: openssl rand -base64 32.")
	}
	if c.Redis != nil && len(c.SessionKeys) == 0 {
		s.missing(sessionKeys, "With "+sessionType+"=redis all replicas need the same keys. Make one with: openssl rand -base64 32.")
	}
	c.IdleTimeout = s.readDuration(sessionIdleTimeout, time.Minute, 24*time.Hour)
	c.Lifetime = s.readDuration(sessionLifetime, time.Minute, 7*24*time.Hour)
	c.SessionsPerPerson = s.readCount(sessionsPerPerson, 10_000)
	c.SecretDisplayTime = s.readDuration(secretDisplayTime, time.Minute, time.Hour)
}

// readLimits reads how much one network or one person may ask for.
func readLimits(s *source, c *Config) {
	c.SignInsPerMinute = s.readCount(rateLimitSignIns, 1_000_000)
	c.ChangesPerMinute = s.readCount(rateLimitChanges, 1_000_000)
}

// readCount takes a whole number; 0 switches a limit off.
func (s *source) readCount(name string, most int) int {
	value := s.text(name)
	if value == "" {
		return 0
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 || n > most {
		s.fault(name, "isn't a whole number from 0 to "+strconv.Itoa(most)+": "+quote(value),
			"Put a number there, such as "+defaultOf(name)+". 0 sets no limit.")
		return 0
	}
	return n
}

// readSessionType reports whether sessions are to be kept in Redis.
func readSessionType(s *source) (inRedis bool) {
	kind := strings.ToLower(s.text(sessionType))
	if kind != "filesystem" && kind != "redis" && !s.faulty(sessionType) {
		s.fault(sessionType, "names a store that patdesk doesn't have: "+quote(kind), `Put "filesystem" or "redis" there.`)
	}
	return kind == "redis"
}

// readSessionDir returns a folder that exists or can be made; the session store makes it.
func readSessionDir(s *source) string {
	path := s.text(sessionDir)
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		s.fault(sessionDir, "names a file: "+quote(path), "Put the path of a folder there. It is made if it doesn't exist.")
	}
	return path
}

// keyBytes is the least length of a session key: the output of the hash functions it is used with.
const keyBytes = 32

func readSessionKeys(s *source) []Secret {
	const fix = "Make a key with: openssl rand -base64 32. Several are separated by commas or lines, the newest first."
	var keys []Secret
	var seen [][]byte
	for i, text := range strings.FieldsFunc(s.secret(sessionKeys).Reveal(), betweenKeys) {
		s.hide(text)
		which := "has a key (number " + strconv.Itoa(i+1) + ") that "
		key, ok := decodeKey(text)
		switch {
		case !ok:
			s.fault(sessionKeys, which+"is neither base64 nor hexadecimal", fix)
		case len(key) < keyBytes:
			s.fault(sessionKeys, which+"is shorter than 32 bytes", fix)
		case len(bytes.Trim(key, string(key[:1]))) == 0:
			s.fault(sessionKeys, which+"is one byte repeated, which anybody can guess", fix)
		case slices.ContainsFunc(seen, func(other []byte) bool { return bytes.Equal(other, key) }):
			s.fault(sessionKeys, which+"is there twice", fix)
		default:
			keys = append(keys, NewSecret(string(key)))
		}
		seen = append(seen, key)
	}
	return keys
}

// betweenKeys says what divides keys: commas, as in other settings, or lines, as in the file that patdesk makes.
func betweenKeys(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`,"'[]()`, r) }

// decodeKey reads hexadecimal or any of the usual forms of base64. A text of hexadecimal digits alone is taken as such,
// although it may be base64 too: random base64 doesn't look like that.
func decodeKey(text string) ([]byte, bool) {
	if key, err := hex.DecodeString(text); err == nil {
		return key, true
	}
	text = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(text), "=")
	key, err := base64.RawStdEncoding.DecodeString(text)
	return key, err == nil
}

// readDuration takes Go's form. A bare number is refused, because it reads as minutes to one and seconds to another.
func (s *source) readDuration(name string, least, most time.Duration) time.Duration {
	value := s.text(name)
	if value == "" {
		return 0
	}
	fix := "Put a time with its unit there, from " + spoken(least) + " to " + spoken(most) + ", such as " + defaultOf(name) + "."
	d, err := time.ParseDuration(value)
	_, notNumber := strconv.ParseFloat(value, 64)
	switch {
	case notNumber == nil:
		s.fault(name, "has no unit: "+quote(value), fix)
	case err != nil:
		s.fault(name, "isn't a time: "+quote(value), fix)
	case d < least || d > most:
		s.fault(name, "is out of range: "+quote(value), fix)
	default:
		return d
	}
	return 0
}

// spoken leaves out the zeros at the end of Go's own form: "24h", not "24h0m0s".
func spoken(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// readLog reads how much is logged, and in which form.
func readLog(s *source, c *Config) {
	switch level := s.text(logLevel); strings.ToLower(level) {
	case "debug":
		c.LogLevel = slog.LevelDebug
	case "info", "":
		c.LogLevel = slog.LevelInfo
	case "warn", "warning":
		c.LogLevel = slog.LevelWarn
	case "error":
		c.LogLevel = slog.LevelError
	default:
		s.fault(logLevel, "isn't a level: "+quote(level), "Put debug, info, warn or error there.")
	}
	switch format := strings.ToLower(s.text(logFormat)); format {
	case "text", "json", "":
		c.LogFormat = format
	default:
		s.fault(logFormat, "isn't a form of log: "+quote(format), "Put text or json there.")
	}
}
