package templates_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/patdesk/patdesk/internal/azuredevops"
	"github.com/patdesk/patdesk/internal/entra"
	"github.com/patdesk/patdesk/internal/failure"
	"github.com/patdesk/patdesk/internal/operation"
	"github.com/patdesk/patdesk/internal/vault"
)

// families are the keys that the program puts together: a beginning, and every end that it can have. Ends come from the
// types that have them; where those are plain words in handlers, they are listed.
func families() map[string][]string {
	verbs := strings.Fields("rotate extend revoke")
	ends := strings.Fields("before after")
	actions := textsOf(operation.Create, operation.Update, operation.Revoke, operation.Rotate)
	levels := idsOf(azuredevops.Scopes(), func(s azuredevops.Scope) azuredevops.LevelID { return s.Level })
	levels = slices.DeleteFunc(levels, func(l azuredevops.LevelID) bool { return l == "" }) // Full access is all of its group
	return map[string][]string{
		"attention.":   strings.Fields("vault ending days30 expired30 odd full global globalAfter powerful twins"),
		"azuredevops.": append(textsOf(azuredevops.Kinds()...), "none"), // the service's word for no error

		"beside.":              strings.Fields("forbidden organization"),
		"bulk.change.":         verbs,
		"bulk.changing.":       verbs,
		"bulk.tried.":          verbs,
		"bulk.do.":             verbs,
		"bulk.format.":         strings.Fields("env json"),
		"bulk.global.":         ends,
		"bulk.item.":           strings.Fields("toCome notBegun sent succeeded failed unknown delivering undelivered previousEnabled waitingSecret lostSecret oldAlive oldFailed"),
		"bulk.leftOut.":        strings.Fields("global expired revoked gone unread rotating longer odd unnamed"),
		"bulk.outcome.":        strings.Fields("sent succeeded halfway partly"),
		"bulk.partly.":         verbs,
		"bulk.plan.":           verbs,
		"bulk.ran.":            verbs,
		"bulk.run.":            verbs,
		"change.":              actions,
		"changing.":            actions,
		"tried.":               actions,
		"column.":              strings.Fields("name scopes organization created expires status"),
		"date.month.":          strings.Fields("1 2 3 4 5 6 7 8 9 10 11 12"),
		"entra.":               textsOf(entra.Kinds()...),
		"expiry.":              strings.Fields("7 30 60 90 365 date keep"),
		"export.column.":       strings.Fields("name organization global status scopes fullAccess highPrivilege madeBy validFrom validTo authorizationId ends notUnderstood"),
		"global.":              ends,
		"global.ends.":         ends,
		"global.revoke.":       ends,
		"global.rotate.":       ends,
		"global.token.":        ends,
		"globalOld.":           strings.Fields("later now"),
		"globalResult.":        strings.Fields("alive aliveAfter revoked failed unknown"),
		"http.":                strings.Fields("400 401 403 404 405 409 410 413 415 421 422 429 500 502 503 504"),
		"kind.":                strings.Fields("unstored ending notEnding full high long global tool twin odd"),
		"limit.":               strings.Fields("signIns finishing changes guesses"),
		"newToken.left.":       strings.Fields("full scopes organization expiry unknownPreset unknownExpiry unknownElement"),
		"notice.batch.":        verbs,
		"notice.batchRunning.": verbs,
		"operation.":           {failure.Interrupted, failure.Unreadable, "createdShortened", "updatedShortened", "rotatedShortened"},
		"outcome.":             strings.Fields("sent succeeded failed unknown delivering undelivered previousEnabled waiting secretExpired shortened halfway scheduled missed"),
		"rotate.old.":          strings.Fields("confirm now later"),
		"preset.":              textsOf(idsOf(azuredevops.Presets(), func(p azuredevops.Preset) string { return p.ID })...),
		"scope.":               textsOf(idsOf(azuredevops.Scopes(), func(s azuredevops.Scope) string { return s.ID })...),
		"scopeGroup.":          textsOf(idsOf(azuredevops.Scopes(), func(s azuredevops.Scope) azuredevops.GroupID { return s.Group })...),
		"scopeWords.": strings.Fields(`code build packaging work-items release agent-pools analytics marketplace service-connections wiki
			test-management secure-files variable-groups environment deployment-groups graph identity entitlements
			memberentitlement-management tokens token-administration notifications symbols advanced-security project-and-team auditing
			team-dashboard pull-request-threads extensions security`),
		"scopeLevel.":     textsOf(levels...),
		"tokenMember.":    textsOf(azuredevops.Members()...),
		"tool.":           textsOf(azuredevops.Tools()...),
		"vault.":          textsOf(vault.Kinds()...),
		"status.":         strings.Fields("active expired revoked stopped all"),
		"store.":          {failure.Unavailable, failure.NotKept, failure.FullPrefix + "unfinished", failure.FullPrefix + "operation", failure.FullPrefix + "batch"},
		"time.ago.":       strings.Fields("minutes hours days years"),
		"time.in.":        strings.Fields("minutes hours days years"),
		"tokens.missing.": strings.Fields("active expired revoked"),
	}
}

func idsOf[T any, ID ~string](all []T, id func(T) ID) []ID {
	var out []ID
	for _, one := range all {
		out = append(out, id(one))
	}
	return out
}

func textsOf[T ~string](all ...T) []string {
	var out []string
	for _, one := range all {
		out = append(out, string(one))
	}
	return out
}

// keyForm is what a key looks like; beginnings end with a dot.
var keyForm = regexp.MustCompile(`^[a-z][A-Za-z]*(\.[A-Za-z0-9]+)+$`)

// Every message that the program or a page asks for exists, and each that exists is asked for.
func TestNoMessageIsMissingOrUnused(t *testing.T) {
	t.Parallel()
	used, groups := map[string]bool{}, map[string]bool{}
	for _, key := range english.Keys() {
		groups[key[:strings.Index(key, ".")+1]] = true
	}
	for _, c := range pageCalls(t) {
		used[c.key] = true
	}
	for beginning, ends := range families() {
		for _, end := range ends {
			if used[beginning+end] = true; !english.Has(beginning + end) {
				t.Errorf("there is no message %s%s", beginning, end)
			}
		}
	}
	for where, literal := range literals(t) {
		if _, ok := families()[literal]; ok || english.Has(literal) {
			used[literal] = true
		} else if keyForm.MatchString(strings.TrimSuffix(literal, ".")+".x") && groups[literal[:strings.Index(literal, ".")+1]] {
			t.Errorf("%s: there is no message %q, nor a family of them", where, literal)
		}
	}
	for _, key := range english.Keys() {
		key, _ := variant(key)
		whole := key
		for _, part := range []string{".title", ".what", ".advice"} {
			whole = strings.TrimSuffix(whole, part)
		}
		if !used[key] && !used[whole] && whole != "unknown" {
			t.Errorf("nothing asks for %s", key)
		}
	}
}

// literals are the strings in the files of the program that ask for words.
func literals(t *testing.T) func(yield func(where, literal string) bool) {
	t.Helper()
	return func(yield func(where, literal string) bool) {
		root := os.DirFS("..")
		err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && name != ".":
				return fs.SkipDir
			case path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go"):
				return nil
			}
			source, err := fs.ReadFile(root, name)
			if err != nil {
				return err
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
			if err != nil || !asksForWords(name, file) {
				return err
			}
			for node := range ast.Preorder(file) {
				if text, ok := node.(*ast.BasicLit); ok && text.Kind == token.STRING {
					if value, err := strconv.Unquote(text.Value); err == nil && !yield(files.Position(text.Pos()).String(), value) {
						return fs.SkipAll
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// asksForWords says if a file is of handlers or of another package that imports templates, or of templates itself.
func asksForWords(name string, file *ast.File) bool {
	return file.Name.Name == "templates" || strings.HasPrefix(name, "handlers/") || slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool {
		return strings.HasSuffix(i.Path.Value, `patdesk/templates"`)
	})
}
