package simulator

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// vaultSuffix is what follows a vault's name in its host.
const vaultSuffix = ".vault.azure.net"

// The resource that vaults want a token for, by address and by the id of its service principal
// (https://learn.microsoft.com/azure/key-vault/general/authentication).
const (
	vaultResource   = "https://vault.azure.net"
	vaultResourceID = "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"
)

// Vault is an Azure Key Vault. Callers that aren't among its officers are refused by role.
type Vault struct {
	Name     string
	TenantID string   // whose tokens it takes; "" for DefaultTenantID
	Officers []string // usernames with the role Key Vault Secrets Officer
}

// The vaults of the demo: team-vault is everybody's, platform-vault is Mona's alone.
const (
	TeamVault     = "https://team-vault" + vaultSuffix
	PlatformVault = "https://platform-vault" + vaultSuffix
)

var defaultVaults = []Vault{
	{Name: "team-vault", Officers: []string{Mona, Jonas}},
	{Name: "platform-vault", Officers: []string{Mona}},
}

// VaultSecret is one version of a secret in a vault.
type VaultSecret struct {
	Vault, Name, Version string // Vault is an address, Version made up if empty
	Value                string // made up if empty
	ContentType          string
	Tags                 map[string]string
	Disabled             bool
	Managed              bool      // it belongs to a certificate
	Expires              time.Time // zero: never
	Created, Updated     time.Time // now if zero
}

// vaultState is what the vaults remember; guarded by Simulator.mu.
type vaultState struct {
	secrets  map[string][]*VaultSecret // versions, oldest first, by address and name in lower case
	deleted  map[string][]*VaultSecret // likewise
	consents map[string]bool           // object ids of the people who have agreed that the application reaches vaults
}

func newVaultState() vaultState {
	return vaultState{secrets: map[string][]*VaultSecret{}, deleted: map[string][]*VaultSecret{}, consents: map[string]bool{}}
}

func secretKey(vault, name string) string { return strings.ToLower(vault + "/" + name) }

// AddVaultSecret puts a version there without asking the vault's rules, as its newest.
func (s *Simulator) AddVaultSecret(v VaultSecret) VaultSecret {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.vaults.add(s, v)
}

// add stores a version; Simulator.mu is held.
func (v *vaultState) add(s *Simulator, secret VaultSecret) *VaultSecret {
	secret.Version = cmp.Or(secret.Version, strings.ReplaceAll(newGUID(), "-", ""))
	secret.Value = cmp.Or(secret.Value, newSecret(s.o.RealisticSecrets))
	if secret.Created.IsZero() {
		secret.Created = s.now()
	}
	if secret.Updated.IsZero() {
		secret.Updated = secret.Created
	}
	secret.Tags = maps.Clone(secret.Tags)
	s.keepSecret(secret.Value)
	key := secretKey(secret.Vault, secret.Name)
	v.secrets[key] = append(v.secrets[key], &secret)
	return &secret
}

// VaultSecrets returns all versions of a secret, oldest first; with name "" those of all secrets of the vault.
func (s *Simulator) VaultSecrets(vault, name string) []VaultSecret {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []VaultSecret
	for _, key := range slices.Sorted(maps.Keys(s.vaults.secrets)) {
		if key != secretKey(vault, name) && (name != "" || !strings.HasPrefix(key, strings.ToLower(vault)+"/")) {
			continue
		}
		for _, one := range s.vaults.secrets[key] {
			c := *one
			c.Tags = maps.Clone(one.Tags)
			found = append(found, c)
		}
	}
	return found
}

// DeleteVaultSecret deletes a secret, which keeps its name until it is purged or recovered.
func (s *Simulator) DeleteVaultSecret(vault, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := secretKey(vault, name)
	if versions, ok := s.vaults.secrets[key]; ok {
		s.vaults.deleted[key] = versions
		delete(s.vaults.secrets, key)
	}
}

// ConsentToVaults has the person agree that the application reaches vaults in their name, as its sign-in page does.
func (s *Simulator) ConsentToVaults(username string) {
	p, _ := s.personByUsername(username)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.vaults.consents[p.ObjectID] = true
}

// VaultToken is an access token for vaults in the person's name, as Entra ID issues it after consent.
func (s *Simulator) VaultToken(username string) string {
	p, _ := s.personByUsername(username)
	s.ConsentToVaults(username)
	return s.issueAccessToken(grant{person: p, asked: []string{vaultResource + "/user_impersonation"}}, s.o.AccessTokenLifetime)
}

// vaultOf is the vault that a host is of.
func (s *Simulator) vaultOf(host string) (Vault, bool) {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	name, ok := strings.CutSuffix(strings.ToLower(host), vaultSuffix)
	i := slices.IndexFunc(s.o.Vaults, func(v Vault) bool { return v.Name == name })
	if !ok || i < 0 {
		return Vault{}, false
	}
	return s.o.Vaults[i], true
}

// dialer leads vaults' hosts here, wherever "here" is. Vaults that don't exist have no name in DNS.
func (s *Simulator) dialer(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(address)
	if strings.HasSuffix(host, vaultSuffix) {
		if _, ok := s.vaultOf(host); !ok {
			return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}}
		}
		address = strings.TrimPrefix(s.serving.machineURL, "https://")
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

// vaultVersions are the api-versions that are known to be taken.
var vaultVersions = regexp.MustCompile(`^(7\.[0-6]|20\d\d-\d\d-\d\d)$`)

// serveVault routes the data plane of a vault, which has a host of its own
// (https://learn.microsoft.com/rest/api/keyvault/secrets/operation-groups).
func (s *Simulator) serveVault(w http.ResponseWriter, r *http.Request) bool {
	v, ok := s.vaultOf(r.Host)
	if !ok {
		return false
	}
	call, do := vaultRoute(r)
	s.serve(w, r, call, v.Name, func(x *exchange) *answer {
		if refused := x.authenticateAtVault(v); refused != nil {
			return refused
		}
		switch version := r.URL.Query().Get("api-version"); {
		case version == "":
			return x.vaultError(http.StatusBadRequest, "BadParameter", "", "api-version must be specified")
		case !vaultVersions.MatchString(version):
			return x.vaultError(http.StatusBadRequest, "BadParameter", "", "The specified version ("+version+") is not recognized.")
		}
		if p, _ := x.caller(); !slices.ContainsFunc(v.Officers, func(name string) bool { return strings.EqualFold(name, p.Username) }) {
			return x.forbiddenByRole()
		}
		return do(x, "https://"+v.Name+vaultSuffix)
	})
	return true
}

type vaultCall func(x *exchange, vault string) *answer

// vaultRoute is what a request is about: /secrets, /secrets/{name}, /secrets/{name}/{version or "versions"}.
func vaultRoute(r *http.Request) (string, vaultCall) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	route := r.Method + " " + parts[0]
	switch {
	case route == "GET secrets" && len(parts) == 1:
		return CallVaultList, (*exchange).listSecrets
	case route == "GET secrets" && len(parts) == 3 && parts[2] == "versions":
		return CallVaultVersions, (*exchange).listSecretVersions
	case route == "GET secrets" && len(parts) <= 3:
		return CallVaultGet, (*exchange).getSecret
	case route == "PUT secrets" && len(parts) == 2:
		return CallVaultWrite, (*exchange).setSecret
	case route == "PATCH secrets" && len(parts) <= 3 && len(parts) > 1:
		return CallVaultUpdate, (*exchange).updateSecret
	}
	return CallUnknown, func(x *exchange, _ string) *answer {
		return x.vaultError(http.StatusNotFound, "NotFound", "", "The requested resource does not exist.")
	}
}

// part is the nth part of the path: name and version of /secrets/{name}/{version}.
func (x *exchange) part(n int) string {
	parts := strings.Split(strings.Trim(x.r.URL.Path, "/"), "/")
	if n >= len(parts) {
		return ""
	}
	return parts[n]
}

// authenticateAtVault checks the bearer: a vault says what it wants a token for, and takes it of its own tenant alone.
func (x *exchange) authenticateAtVault(v Vault) *answer {
	tenant := cmp.Or(v.TenantID, DefaultTenantID)
	challenge := `Bearer authorization="` + x.s.machineBase(x.r) + "/" + tenant + `", resource="` + vaultResource + `"`
	refuse := func(message string) *answer {
		a := x.vaultError(http.StatusUnauthorized, "Unauthorized", "", message)
		a.header.Set("WWW-Authenticate", challenge)
		return a
	}
	kind, value, _ := strings.Cut(x.r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(kind, "Bearer") {
		return refuse("AKV10000: Request is missing a Bearer or PoP token.")
	}
	bearer, ok := x.s.accessToken(value)
	switch {
	case !ok || x.s.now().After(bearer.expires):
		challenge += `, error="invalid_token"`
		return refuse("AKV10001: The token could not be validated.")
	case !bearer.vaults:
		return refuse("AKV10022: Invalid audience. Expected " + vaultResource + ", found: " + azureDevOpsResource + ".")
	case bearer.person.TenantID != tenant:
		return refuse("AKV10032: Invalid issuer. Expected one of https://sts.windows.net/" + tenant + "/, found https://sts.windows.net/" + bearer.person.TenantID + "/.")
	}
	if o, ok := x.fault("vaultClaimsChallenge"); ok && !claimsInclude(bearer.claims, cmp.Or(o.Value, defaultChallenge)) {
		return x.vaultClaims(tenant, cmp.Or(o.Value, defaultChallenge))
	}
	return nil
}

// listSecrets answers GET /secrets: the newest version of each, without values and without the versions' names.
func (x *exchange) listSecrets(vault string) *answer {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	var newest []*VaultSecret
	for _, key := range slices.Sorted(maps.Keys(x.s.vaults.secrets)) {
		if versions := x.s.vaults.secrets[key]; strings.HasPrefix(key, vault+"/") {
			newest = append(newest, versions[len(versions)-1])
		}
	}
	return x.vaultPage(newest, func(v *VaultSecret) string { return v.Vault + "/secrets/" + v.Name })
}

// listSecretVersions answers GET /secrets/{name}/versions. The service promises no order.
func (x *exchange) listSecretVersions(vault string) *answer {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	versions := slices.Clone(x.s.vaults.secrets[secretKey(vault, x.part(1))])
	if len(versions) == 0 {
		return x.noSecret()
	}
	slices.SortFunc(versions, func(a, b *VaultSecret) int { return strings.Compare(a.Version, b.Version) })
	return x.vaultPage(versions, func(v *VaultSecret) string { return v.Vault + "/secrets/" + v.Name + "/" + v.Version })
}

// vaultPage is one page of properties, 25 at most, with the address of the next one.
func (x *exchange) vaultPage(all []*VaultSecret, id func(*VaultSecret) string) *answer {
	const most = 25
	query := x.r.URL.Query()
	size := most
	if text := query.Get("maxresults"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > most {
			return x.vaultError(http.StatusBadRequest, "BadParameter", "", "maxresults must be between 1 and 25.")
		}
		size = n
	}
	start, _ := strconv.Atoi(strings.TrimPrefix(query.Get("$skiptoken"), "page-"))
	start = min(max(start, 0), len(all))
	end := min(start+size, len(all))
	items := []map[string]any{}
	for _, one := range all[start:end] {
		item := one.wire()
		item["id"] = id(one)
		items = append(items, item)
	}
	var next any
	if end < len(all) || x.has("vaultEndlessList") {
		if end == len(all) {
			end = 0
		}
		more := url.Values{"api-version": {query.Get("api-version")}, "maxresults": {strconv.Itoa(size)}, "$skiptoken": {"page-" + strconv.Itoa(end)}}
		next = "https://" + x.r.Host + x.r.URL.Path + "?" + more.Encode()
	}
	return x.json(http.StatusOK, map[string]any{"value": items, "nextLink": next})
}

// getSecret answers GET /secrets/{name} and /secrets/{name}/{version}: the one call that returns a value.
func (x *exchange) getSecret(vault string) *answer {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	one := x.s.vaults.find(vault, x.part(1), x.part(2))
	switch {
	case one == nil:
		return x.noSecret()
	case one.Disabled:
		return x.vaultError(http.StatusForbidden, "Forbidden", "SecretDisabled", "Operation get is not allowed on a disabled secret.")
	}
	return x.json(http.StatusOK, one.bundle(true))
}

// setSecretBody is the body of PUT, and without a value that of PATCH.
type setSecretBody struct {
	Value       *string           `json:"value"`
	ContentType *string           `json:"contentType"`
	Tags        map[string]string `json:"tags"`
	Attributes  *struct {
		Enabled *bool  `json:"enabled"`
		Expires *int64 `json:"exp"`
		Begins  *int64 `json:"nbf"`
	} `json:"attributes"`
}

var vaultSecretName = regexp.MustCompile(`^[0-9A-Za-z-]{1,127}$`)

// readSecretBody reads the body and checks the limits of
// https://learn.microsoft.com/azure/key-vault/secrets/about-secrets.
func (x *exchange) readSecretBody() (body setSecretBody, refused *answer) {
	bad := func(text string) (setSecretBody, *answer) {
		return setSecretBody{}, x.vaultError(http.StatusBadRequest, "BadParameter", "", text)
	}
	if kind, _, _ := strings.Cut(x.r.Header.Get("Content-Type"), ";"); kind != "application/json" {
		return setSecretBody{}, x.vaultError(http.StatusUnsupportedMediaType, "UnsupportedMediaType", "", "The content type isn't application/json.")
	}
	if err := json.Unmarshal(x.body, &body); err != nil {
		return bad("The request body isn't valid JSON.")
	}
	if len(body.Tags) > 15 {
		return bad("The number of tags must not exceed 15.")
	}
	for name, value := range body.Tags {
		if len([]rune(name)) > 256 || len([]rune(value)) > 256 {
			return bad("A tag's name and value must not exceed 256 characters.")
		}
	}
	if body.ContentType != nil && len(*body.ContentType) > 255 {
		return bad("The content type must not exceed 255 characters.")
	}
	if a := body.Attributes; a != nil && a.Expires != nil && a.Begins != nil && *a.Begins > *a.Expires {
		return bad("exp must be later than nbf.")
	}
	return body, nil
}

// setSecret answers PUT: a new version, whatever its value.
func (x *exchange) setSecret(vault string) *answer {
	name := x.part(1)
	if !vaultSecretName.MatchString(name) {
		return x.vaultError(http.StatusBadRequest, "BadParameter", "", "The request URI contains an invalid name: "+name)
	}
	body, refused := x.readSecretBody()
	switch {
	case refused != nil:
		return refused
	case body.Value == nil:
		return x.vaultError(http.StatusBadRequest, "BadParameter", "", "Property  'value' is required.")
	case len(*body.Value) > 25_000:
		return x.vaultError(http.StatusBadRequest, "BadParameter", "", "The value is too long.")
	}
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	key := secretKey(vault, name)
	if x.s.vaults.deleted[key] != nil {
		return x.vaultError(http.StatusConflict, "Conflict", "ObjectIsDeletedButRecoverable",
			"Secret "+name+" is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the secret can only be recovered or purged.")
	}
	if versions := x.s.vaults.secrets[key]; len(versions) > 0 {
		if versions[0].Managed {
			return x.vaultError(http.StatusForbidden, "Forbidden", "SecretManagedByKeyVault", "The secret is managed by a certificate.")
		}
		name = versions[0].Name // as it was spelled first
	}
	fresh := VaultSecret{Vault: vault, Name: name, Value: *body.Value, Tags: body.Tags}
	fresh.change(body, x.s.now())
	return x.json(http.StatusOK, x.s.vaults.add(x.s, fresh).bundle(true))
}

// change applies what a body says besides the value.
func (v *VaultSecret) change(body setSecretBody, now time.Time) {
	if body.ContentType != nil {
		v.ContentType = *body.ContentType
	}
	if body.Tags != nil {
		v.Tags = maps.Clone(body.Tags)
	}
	if a := body.Attributes; a != nil {
		if a.Enabled != nil {
			v.Disabled = !*a.Enabled
		}
		if a.Expires != nil {
			v.Expires = time.Unix(*a.Expires, 0).UTC()
		}
	}
	v.Updated = now
}

// updateSecret answers PATCH: everything but the value.
func (x *exchange) updateSecret(vault string) *answer {
	body, refused := x.readSecretBody()
	if refused != nil {
		return refused
	}
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	one := x.s.vaults.find(vault, x.part(1), x.part(2))
	if one == nil {
		return x.noSecret()
	}
	one.change(body, x.s.now())
	return x.json(http.StatusOK, one.bundle(false))
}

// find is a version of a secret, the newest for ""; Simulator.mu is held.
func (v *vaultState) find(vault, name, version string) *VaultSecret {
	versions := v.secrets[secretKey(vault, name)]
	if version == "" && len(versions) > 0 {
		return versions[len(versions)-1]
	}
	found, _ := find(versions, func(one *VaultSecret) bool { return one.Version == version })
	return found
}

// wire is how properties are sent.
func (v *VaultSecret) wire() map[string]any {
	attributes := map[string]any{
		"enabled": !v.Disabled, "created": v.Created.Unix(), "updated": v.Updated.Unix(), "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90,
	}
	if !v.Expires.IsZero() {
		attributes["exp"] = v.Expires.Unix()
	}
	fields := map[string]any{"attributes": attributes, "tags": v.Tags}
	if v.ContentType != "" {
		fields["contentType"] = v.ContentType
	}
	if v.Managed {
		fields["managed"] = true
	}
	return fields
}

// bundle is one version as it is sent alone.
func (v *VaultSecret) bundle(withValue bool) map[string]any {
	fields := v.wire()
	fields["id"] = v.Vault + "/secrets/" + v.Name + "/" + v.Version
	if withValue {
		fields["value"] = v.Value
	}
	return fields
}

func (x *exchange) noSecret() *answer {
	return x.vaultError(http.StatusNotFound, "SecretNotFound", "", "A secret with (name/id) "+x.part(1)+" was not found in this key vault.")
}

func (x *exchange) forbiddenByRole() *answer {
	return x.vaultError(http.StatusForbidden, "Forbidden", "ForbiddenByRbac", "Caller is not authorized to perform action on resource.")
}

// vaultError is how a vault refuses.
func (x *exchange) vaultError(status int, code, inner, message string) *answer {
	e := map[string]any{"code": code, "message": message}
	if inner != "" {
		e["innererror"] = map[string]any{"code": inner}
	}
	return x.json(status, map[string]any{"error": e})
}
