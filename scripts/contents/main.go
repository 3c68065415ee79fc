// Command contents writes what a built patdesk consists of: a list of its modules with their licences (SBOM, CycloneDX),
// and the texts of these licences (third-party notices). Both come from what the binary itself says was linked into it.
//
// What belongs here: what a release tells of itself. A module whose licence isn't found, or isn't known, is an error.
package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "", "the built `file`")
	flag.StringVar(&o.version, "version", "", "its version, such as v1.2.3")
	flag.StringVar(&o.notices, "notices", "", "the `file` to write licences' texts into")
	flag.StringVar(&o.sbom, "sbom", "", "the `file` to write the list of modules into; none without it")
	flag.Int64Var(&o.made, "made", 0, "when the commit was made, in `seconds` since 1970, for the list")
	flag.Parse()
	if err := write(o); err != nil {
		fmt.Fprintln(os.Stderr, "contents:", err)
		os.Exit(1)
	}
}

type options struct {
	binary, version, notices, sbom string
	made                           int64
}

// write is called in the main module's folder, which has its LICENSE, and with the Go that built the binary.
func write(o options) error {
	info, err := buildinfo.ReadFile(o.binary)
	if err != nil {
		return err
	}
	parts, err := linked(info)
	if err != nil {
		return err
	}
	if err := os.WriteFile(o.notices, notices(parts), 0o644); err != nil || o.sbom == "" { //nolint:gosec // for everybody
		return err
	}
	binary, err := os.ReadFile(o.binary)
	if err != nil {
		return err
	}
	own, err := licencesIn(".", false)
	if err != nil {
		return err
	}
	main := part{path: info.Main.Path, version: o.version, licences: own}
	var b bytes.Buffer
	err = cdx.NewBOMEncoder(&b, cdx.BOMFileFormatJSON).SetPretty(true).Encode(list(main, parts, info.Settings, sha256.Sum256(binary), o.made))
	return errors.Join(err, os.WriteFile(o.sbom, b.Bytes(), 0o644)) //nolint:gosec // for everybody
}

// list is the SBOM. Made twice of one binary it is the same.
func list(main part, parts []part, settings []debug.BuildSetting, sum [sha256.Size]byte, made int64) *cdx.BOM {
	program := component(main)
	program.Type = cdx.ComponentTypeApplication
	program.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}}
	var properties []cdx.Property
	for _, s := range settings {
		switch s.Key {
		case "GOOS", "GOARCH", "GOARM", "GOAMD64", "GOARM64", "CGO_ENABLED":
			properties = append(properties, cdx.Property{Name: "cdx:gomod:build:env:" + s.Key, Value: s.Value})
		}
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{
		Timestamp: time.Unix(made, 0).UTC().Format(time.RFC3339), Component: &program, Properties: &properties,
	}
	components, needed := make([]cdx.Component, len(parts)), make([]string, len(parts))
	for i, p := range parts {
		components[i] = component(p)
		needed[i] = components[i].BOMRef
	}
	bom.Components, bom.Dependencies = &components, &[]cdx.Dependency{{Ref: program.BOMRef, Dependencies: &needed}}
	return bom
}

func component(p part) cdx.Component {
	url := "pkg:golang/" + p.path + "@" + p.version
	c := cdx.Component{BOMRef: url, Type: cdx.ComponentTypeLibrary, Name: p.path, Version: p.version, PackageURL: url}
	if p.sum != "" {
		c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: p.sum}}
	}
	if ids := p.ids(); len(ids) == 1 {
		c.Licenses = &cdx.Licenses{{License: &cdx.License{ID: ids[0]}}}
	} else {
		c.Licenses = &cdx.Licenses{{Expression: all(ids)}}
	}
	return c
}
