package bulk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/patdesk/patdesk/handlers/web"
	"github.com/patdesk/patdesk/internal/batch"
	"github.com/patdesk/patdesk/internal/operation"
)

// exportedSecret is one secret in a file of them.
type exportedSecret struct {
	Variable        string    `json:"variable"`
	Name            string    `json:"name"`
	Organization    string    `json:"organization"`
	AuthorizationID string    `json:"authorizationId"`
	Scopes          []string  `json:"scopes"`
	ValidTo         time.Time `json:"validTo"`
	Secret          string    `json:"secret"`
}

// Download hands out the waiting secrets of a batch as a file, when that was asked for in so many words. The file is
// made in memory and kept nowhere; the secrets go on waiting until "I have saved it" is said.
func (h *Handlers) Download(v *web.Request) (web.Answer, error) {
	b, err := h.Batches.Get(v.Context(), v.Person(), v.Param("batch"))
	if err != nil {
		return nil, batchError(err)
	}
	again := func(status int, key string) (web.Answer, error) {
		if b.Started.IsZero() {
			return nil, &web.HTTPError{Status: http.StatusConflict, Key: "bulk.notStarted"}
		}
		return h.batchAnswer(v, b, web.FormState{Status: status, Problem: web.Summary(v.Words, key, nil)})
	}
	format := v.PostForm.Get("format")
	switch {
	case v.PostForm.Get("understood") != "yes":
		return again(http.StatusUnprocessableEntity, "bulk.notUnderstood")
	case format != "env" && format != "json":
		return again(http.StatusUnprocessableEntity, "bulk.noFormat")
	}
	var secrets []exportedSecret
	taken := map[string]bool{}
	err = h.eachSecret(v, b, func(op *operation.Operation, secret string) {
		if op.Result == nil {
			return
		}
		secrets = append(secrets, exportedSecret{
			Variable: variableName(op.Organization, web.OperationToken(v.Words, op), taken), Name: web.OperationToken(v.Words, op), Organization: op.Organization,
			AuthorizationID: op.Result.AuthorizationID, Scopes: op.Want.Scopes, ValidTo: op.Result.ValidTo, Secret: secret,
		})
	})
	switch {
	case err != nil:
		return nil, err
	case len(secrets) == 0:
		return again(http.StatusGone, "bulk.noSecrets")
	}
	name := "new-tokens-" + v.Now.UTC().Format(web.DateLayout)
	if format == "json" {
		content, err := json.MarshalIndent(map[string]any{"made": v.Now.UTC().Truncate(time.Second), "tokens": secrets}, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("encoding the secrets of a batch: %T", err) // its text might quote one
		}
		return web.Download{Name: name + ".json", ContentType: "application/json; charset=utf-8", Content: append(content, '\n')}, nil
	}
	return web.Download{Name: name + ".env", ContentType: "text/plain; charset=utf-8", Content: dotenv(secrets)}, nil
}

// eachSecret calls f for each operation of a batch whose secret waits. One whose secret can't be read any more is left
// out: its own page says what to do.
func (h *Handlers) eachSecret(v *web.Request, b *batch.Batch, f func(op *operation.Operation, secret string)) error {
	for i := range b.Items {
		op := b.Items[i].Operation
		if b.Items[i].Phase() != operation.PhaseSecretWaiting {
			continue
		}
		secret, err := h.Journal.RevealSecret(v.Context(), v.Delivery, op.Person, op.ID)
		if err != nil {
			return err
		}
		if secret != "" {
			f(op, secret)
		}
	}
	return nil
}

// maxVariable bounds a variable's name. No shell needs it to be shorter; people do.
const maxVariable = 80

// variableName makes a name that every shell takes
// (https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html) out of any text, and no name twice:
// "AZURE_DEVOPS_PAT_CONTOSO_BUILD_AGENT_7". What has no letter in ASCII leaves no trace.
func variableName(organization, name string, taken map[string]bool) string {
	base := "AZURE_DEVOPS_PAT"
	for _, text := range []string{organization, name} {
		if word := upperASCII(text); word != "" {
			base += "_" + word
		}
	}
	base = strings.TrimRight(base[:min(len(base), maxVariable)], "_")
	unique := base
	for n := 2; taken[unique]; n++ {
		unique = base + "_" + strconv.Itoa(n)
	}
	taken[unique] = true
	return unique
}

// upperASCII keeps ASCII letters, in upper case, and digits; every run of anything else becomes one underscore.
func upperASCII(text string) string {
	words := strings.FieldsFunc(text, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return strings.ToUpper(strings.Join(words, "_"))
}

// dotenv is a file that shells can source and that dotenv libraries, Docker and systemd read alike. A token's name is
// quoted as in Go, so that it can neither end its comment nor turn the text around.
func dotenv(secrets []exportedSecret) []byte {
	var b bytes.Buffer
	for i, s := range secrets {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "# %s, %s, %s\n", strconv.Quote(s.Name), strconv.Quote(s.Organization), s.ValidTo.UTC().Format(web.DateLayout))
		fmt.Fprintf(&b, "%s=%s\n", s.Variable, dotenvValue(s.Secret))
	}
	return b.Bytes()
}

// dotenvValue leaves a value bare where that means the same to everybody, as all secrets known so far allow; Docker
// takes quotes for a part of the value. Anything else is put in single quotes, in which nothing is replaced, or where
// those can't hold it in double quotes as a shell reads them: dotenv libraries don't agree on what a backslash means
// there.
func dotenvValue(value string) string {
	bare := func(r rune) bool {
		return r <= unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-._~+/=", r))
	}
	if value != "" && !strings.ContainsFunc(value, func(r rune) bool { return !bare(r) }) {
		return value
	}
	if value != "" && !strings.ContainsAny(value, "'\\\r\n") {
		return "'" + value + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(value) + `"`
}
