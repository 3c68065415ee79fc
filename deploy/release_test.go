package deploy_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var whole = flag.Bool("release", false, "make a release for this machine and look into it")

const someDigest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// checkContents has scripts/contents say what is in the program at path: each module, with its licence and its text.
func checkContents(t *testing.T, path string) {
	t.Helper()
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	sbom, notices := filepath.Join(dir, "sbom"), filepath.Join(dir, "notices")
	cmd := exec.CommandContext(t.Context(), "go", "run", "./scripts/contents", "-binary", path, "-version", "v1.2.3", "-sbom", sbom, "-notices", notices)
	cmd.Dir = ".."
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	modules := []string{"std@" + strings.TrimPrefix(info.GoVersion, "go")}
	for _, m := range info.Deps {
		modules = append(modules, m.Path+"@"+m.Version)
	}
	checkSBOM(t, read(t, sbom), modules)
	checkNotices(t, read(t, notices), modules)
}

// bom is the part of CycloneDX that is looked at.
type bom struct {
	BOMFormat string
	Metadata  struct{ Component bomComponent }

	Components []bomComponent
}

type bomComponent struct {
	Name, Version string
	Licenses      []struct {
		License    struct{ ID string }
		Expression string
	}
}

func checkSBOM(t *testing.T, text string, modules []string) {
	t.Helper()
	var b bom
	if err := json.Unmarshal([]byte(text), &b); err != nil {
		t.Fatal(err)
	}
	if own := b.Metadata.Component; b.BOMFormat != "CycloneDX" || own.Version == "" || own.Name != "github.com/patdesk/patdesk" {
		t.Errorf("the SBOM is of %q %q, %q", own.Name, own.Version, b.BOMFormat)
	}
	var named []string
	for _, c := range append(b.Components, b.Metadata.Component) {
		named = append(named, c.Name+"@"+c.Version)
		if len(c.Licenses) != 1 || (c.Licenses[0].License.ID == "") == (c.Licenses[0].Expression == "") {
			t.Errorf("licences of %s: %v", c.Name, c.Licenses)
		}
	}
	if want := append(slices.Clone(modules), named[len(named)-1]); !slices.Equal(named, want) {
		t.Errorf("the SBOM names\n%q, linked are\n%q", named, want)
	}
	wd, err := os.Getwd()
	if err != nil || strings.Contains(text, filepath.Dir(wd)) || strings.Contains(text, os.TempDir()) || strings.Contains(text, "UNKNOWN") {
		t.Errorf("the SBOM names a folder of this machine, or something unknown: %v", err)
	}
}

// checkNotices wants a licence's text for each module.
func checkNotices(t *testing.T, text string, modules []string) {
	t.Helper()
	for _, m := range modules {
		path, version, _ := strings.Cut(m, "@")
		_, part, found := strings.Cut(text, "===\n"+path+" "+version+", ")
		part, _, _ = strings.Cut(part, "\n=====")
		if !found || len(part) < 500 || !regexp.MustCompile(`(?i)(without warranty|warranties|as is)`).MatchString(part) {
			t.Errorf("the notices have no terms of %s, or %d bytes", m, len(part))
		}
	}
}

// A copy of deploy/ names a release's image where this repository's names none.
func TestStamp(t *testing.T) {
	t.Parallel()
	for _, digest := range []string{"", someDigest} {
		dir := t.TempDir()
		for _, name := range []string{"deploy", "docs"} {
			if output, err := run(t, nil, "cp", "-r", "../"+name, dir); err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
		}
		env := []string{"VERSION=v0.1.0", "DIGEST=" + digest}
		if output, err := run(t, env, "../scripts/stamp", dir); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		want := "ghcr.io/patdesk/patdesk:v0.1.0"
		if digest != "" {
			want += "@" + digest
		}
		patdesk := load(t, filepath.Join(dir, "deploy/compose/compose.yaml"))[0].at("services", "patdesk")
		if got := patdesk.at("image").text(); got != want || patdesk.at("build").value != nil {
			t.Errorf("compose names %q, want %q", got, want)
		}
		for _, path := range files(t, filepath.Join(dir, "deploy/kubernetes"), ".yaml") {
			for _, image := range load(t, path)[0].at("images").list() {
				if image.at("newTag").text() != "v0.1.0" || image.at("digest").text() != digest {
					t.Errorf("%s names %v", path, image)
				}
			}
		}
		for path, heading := range map[string]string{"docs/install.md": "## What it works with", "docs/verify-release.md": "## The image", "deploy/README.md": "Make an overlay"} {
			if text := read(t, filepath.Join(dir, path)); !strings.Contains(text, heading) || strings.Contains(text, "released yet") {
				t.Errorf("%s is\n%s", path, text)
			}
		}
		for path, command := range map[string]string{
			"docs/install.md": "\n```\n./patdesk -check\n./patdesk\n```\n", "docs/command-line.md": "--read-only ghcr.io/patdesk/patdesk:v0.1.0 -demo -container\n",
		} {
			if text := read(t, filepath.Join(dir, path)); !strings.Contains(text, command) || strings.Contains(text, "go run .") || strings.Contains(text, "docker build -t patdesk .") || strings.Contains(text, "-->") {
				t.Errorf("%s is for builders:\n%s", path, text)
			}
		}
		for _, path := range files(t, dir, ".md", ".yaml") {
			if text := read(t, path); strings.Contains(text, "unreleased -->") || strings.Contains(text, "until here -->") || strings.Contains(text, "Until there is one") {
				t.Errorf("%s speaks of the time before the release", path)
			}
		}
		if output, err := run(t, env, "../scripts/stamp", dir); err == nil {
			t.Errorf("stamped once more without a place for it:\n%s", output)
		}
	}
	if build := load(t, "compose/compose.yaml")[0].at("services", "patdesk", "build").text(); build != "../.." {
		t.Errorf("compose here builds %q", build)
	}
}

// The unit as packages have it, with their additions, is one that systemd understands.
func TestPackagedUnit(t *testing.T) {
	t.Parallel()
	added := read(t, "packages/unit.conf")
	for _, line := range []string{"ExecStart=/usr/bin/patdesk", "EnvironmentFile=/etc/patdesk/patdesk.env", "Environment=SESSION_DIR=%S/patdesk/sessions", "User=patdesk"} {
		if !strings.Contains(added, "\n"+line+"\n") {
			t.Errorf("there is no %s", line)
		}
	}
	for _, directive := range []string{"ExecStart", "EnvironmentFile", "LoadCredential", "Environment"} {
		if !strings.Contains(added, "\n"+directive+"=\n") {
			t.Errorf("what the unit says of %s stays", directive)
		}
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Log("there is no systemd-analyze on this machine: the unit was only read")
		return
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "patdesk.service.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"patdesk.service": read(t, "systemd/patdesk.service"), "patdesk.service.d/package.conf": added} {
		text = regexp.MustCompile(`(?m)^ExecStart=/.*$`).ReplaceAllString(text, "ExecStart=/bin/true")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if output, err := run(t, nil, "systemd-analyze", "verify", "--man=no", filepath.Join(dir, "patdesk.service")); err != nil || strings.Contains(output, "patdesk") {
		t.Errorf("%v\n%s", err, output)
	}
}

// A release waits for tests and image, and whatever is published is signed.
func TestReleaseWorkflow(t *testing.T) {
	t.Parallel()
	jobs := load(t, "../.github/workflows/release.yml")[0].at("jobs")
	var needs []string
	for _, n := range jobs.at("release", "needs").list() {
		needs = append(needs, n.text())
	}
	if slices.Sort(needs); !slices.Equal(needs, []string{"image", "test"}) || jobs.at("image", "needs").text() != "test" {
		t.Errorf("the release waits for %q", needs)
	}
	for path, commands := range map[string][]string{
		"image.yml":   {`cosign sign --yes --recursive "$image@$digest"`, "REVISION=${{ github.sha }}", "sbom-path: "},
		"release.yml": {`cosign sign --yes "$chart/patdesk@$digest"`, "cosign sign-blob ", "DIGEST: ${{ needs.image.outputs.digest }}"},
	} {
		for _, command := range commands {
			if !strings.Contains(read(t, "../.github/workflows/"+path), command) {
				t.Errorf("%s has no %s", path, command)
			}
		}
	}
}

// With -release: what "make release" makes for this machine is whole.
func TestRelease(t *testing.T) {
	if !*whole {
		t.Log("left to make release-test: it builds the program twice, without a cache the second time")
		return
	}
	dist := t.TempDir()
	commit, err := run(t, nil, "git", "rev-parse", "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	output, err := run(t, []string{"VERSION=v0.1.0-rc.1", "DIGEST=" + someDigest, "PLATFORMS=linux/amd64", "DIST=" + dist}, "../scripts/release")
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	t.Log(output)
	name := filepath.Join(dist, "patdesk_0.1.0-rc.1_linux_amd64")
	checkArchive(t, name+".tar.gz", commit)
	checkDeb(t, name+".deb")
	checkRPM(t, name+".rpm")
	if output, err := run(t, nil, "bash", "-c", "cd "+dist+" && sha256sum --check --strict --quiet checksums.txt && [ $(wc -l <checksums.txt) = $(($(ls | wc -l) - 1)) ]"); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

// unpack unpacks an archive and returns its only folder.
func unpack(t *testing.T, path string) string {
	t.Helper()
	dir := t.TempDir()
	if output, err := run(t, nil, "tar", "-xzf", path, "-C", dir); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return filepath.Join(dir, strings.TrimSuffix(filepath.Base(path), ".tar.gz"))
}

func checkArchive(t *testing.T, path, commit string) {
	t.Helper()
	folder := unpack(t, path)
	for _, name := range []string{"patdesk", "README.md", ".env.example", "LICENSE", "CHANGELOG.md", "THIRD_PARTY_NOTICES.txt", "docs/configuration.md", "deploy/README.md"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Error(err)
		}
	}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && (strings.HasSuffix(path, ".go") || d.Name() == "packages") {
			t.Errorf("%s doesn't belong into an archive", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for _, name := range []string{"README.md", ".env.example"} {
		if text := read(t, filepath.Join(folder, name)); strings.Contains(text, "go run") || strings.Contains(text, "v1.2.3") || !strings.Contains(text, "./patdesk -check") {
			t.Errorf("%s speaks of a repository, or of another version", name)
		}
	}
	for _, m := range regexp.MustCompile(`\]\(([^):#]+)\)`).FindAllStringSubmatch(read(t, filepath.Join(folder, "README.md")), -1) {
		if _, err := os.Stat(filepath.Join(folder, m[1])); err != nil {
			t.Error(err)
		}
	}
	said, err := run(t, nil, filepath.Join(folder, "patdesk"), "-version")
	if err != nil || !strings.HasPrefix(said, "patdesk v0.1.0-rc.1, commit "+strings.TrimSpace(commit)+", ") {
		t.Errorf("-version: %q, %v", said, err)
	}
	for _, name := range []string{"patdesk", "docs"} {
		if info, err := os.Stat(filepath.Join(folder, name)); err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
	checkTimes(t, path)
}

// checkTimes: all files are as old as the commit, so that archives made twice are the same.
func checkTimes(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	times := map[time.Time]int{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		times[h.ModTime]++
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" {
			t.Errorf("%s belongs to %s %d", h.Name, h.Uname, h.Uid)
		}
	}
	if len(times) != 1 {
		t.Errorf("files are of %v", times)
	}
}

// checkDeb installs the package into a folder, takes it away again, and purges it.
func checkDeb(t *testing.T, deb string) {
	t.Helper()
	if _, err := exec.LookPath("dpkg"); err != nil || os.Geteuid() != 0 {
		t.Log("without dpkg and root the package isn't installed")
		return
	}
	root := t.TempDir()
	for _, dir := range []string{"var/lib/dpkg/updates", "var/lib/dpkg/info", "var/lib/patdesk", "etc"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "var/lib/dpkg/status"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dpkg := func(args ...string) string {
		output, err := run(t, nil, "dpkg", append([]string{"--root=" + root, "--force-script-chrootless", "--force-depends"}, args...)...)
		if err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		return output
	}
	there := func(name string, want bool) {
		if _, err := os.Lstat(filepath.Join(root, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if said := dpkg("-i", deb); !strings.Contains(said, "systemctl enable --now patdesk") {
		t.Errorf("the next step isn't said:\n%s", said)
	}
	if output, err := run(t, nil, "dpkg-deb", "-f", deb, "Version"); err != nil || strings.TrimSpace(output) != "0.1.0~rc.1" {
		t.Errorf("%v %s", err, output)
	}
	for name, mode := range map[string]fs.FileMode{
		"usr/bin/patdesk": 0o755, "usr/lib/systemd/system/patdesk.service": 0o644, "usr/lib/systemd/system/patdesk.service.d/package.conf": 0o644,
		"etc/patdesk/patdesk.env": 0o640, "etc/patdesk": 0o750, "usr/share/doc/patdesk/copyright": 0o644, "usr/share/doc/patdesk/THIRD_PARTY_NOTICES.txt": 0o644,
		"usr/share/doc/patdesk/docs/configuration.md": 0o644,
	} {
		if info, err := os.Stat(filepath.Join(root, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, want mode %o", name, err, mode)
		}
	}
	gid := regexp.MustCompile(`(?m)^patdesk:x:(\d+):`).FindStringSubmatch(read(t, filepath.Join(root, "etc/group")))
	if groups := read(t, filepath.Join(root, "etc/group")); !regexp.MustCompile(`(?m)^patdesk-proxy:`).MatchString(groups) {
		t.Errorf("patdesk.socket's group isn't made:\n%s", groups)
	}
	if output, err := run(t, nil, "stat", "-c", "%u %g", filepath.Join(root, "etc/patdesk/patdesk.env")); err != nil || gid == nil || strings.TrimSpace(output) != "0 "+gid[1] {
		t.Errorf("the settings belong to %s, want group %v: %v", output, gid, err)
	}
	if text := read(t, filepath.Join(root, "etc/patdesk/patdesk.env")); strings.Contains(text, "go run") || !strings.Contains(text, "\nCLIENT_ID=\n") {
		t.Errorf("the settings are\n%s", text)
	}
	if output, err := run(t, nil, "systemctl", "--root="+root, "enable", "patdesk.service", "patdesk.socket"); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
	dpkg("-r", "patdesk")
	there("etc/systemd/system/multi-user.target.wants/patdesk.service", false)
	there("etc/systemd/system/sockets.target.wants/patdesk.socket", false)
	there("usr/bin/patdesk", false)
	there("etc/patdesk/patdesk.env", true)
	if said := dpkg("-P", "patdesk"); !strings.Contains(said, "stays in /var/lib/patdesk") {
		t.Errorf("purging doesn't say what it leaves:\n%s", said)
	}
	there("etc/patdesk", false)
	there("var/lib/patdesk", true)
}

// checkRPM asks rpm, where it is installed.
func checkRPM(t *testing.T, path string) {
	t.Helper()
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Log("there is no rpm on this machine: the package was made, and not looked into")
		return
	}
	for query, want := range map[string]string{
		"--queryformat=%{VERSION}-%{RELEASE} %{ARCH} %{LICENSE}": "0.1.0~rc.1-1 x86_64 MIT", "--configfiles": "/etc/patdesk/patdesk.env",
		"--queryformat=built on %{BUILDHOST}.": "built on localhost.", "--list": "/usr/bin/patdesk\n", "--scripts": "systemd-sysusers",
	} {
		if output, err := run(t, nil, "rpm", "--query", "--nosignature", "--package", query, path); err != nil || !strings.Contains(output, want) {
			t.Errorf("%s: %v\n%s", query, err, output)
		}
	}
}
