package templates

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"text/template"
)

// Text is a message of the catalogue with its data filled in. Any part may be empty. It is plain text: a page
// escapes it like everything else.
type Text struct {
	Title  string // a heading, or the word on a link, a button, a label, a choice
	What   string // what happened, or the sentence itself
	Advice string // what to do now
}

// Placeholders are the values that messages may ask for. A value that isn't given is empty, and each message that
// names one reads well without it.
var Placeholders = []string{
	"Address",      // where patdesk is found: "https://patdesk.example/"
	"Asked",        // date that was asked for: "1 Mar 2027"
	"Browser",      // "Firefox"
	"Cause",        // heading of what went wrong: "Azure DevOps has a fault"
	"ClientID",     // application (client) id of this patdesk in Entra ID
	"Clock",        // time of day at which a wait is over: "14:03:20 UTC"
	"Code",         // the service's own word for an error: "TF400813"
	"Count",        // how many
	"Date",         // a date: "1 Dec 2026"
	"Days",         // a number of days
	"Done",         // how many of them are done
	"Granted",      // date that was given: "1 Jan 2027"
	"Hours",        // a number of hours
	"LookUntil",    // time of day until which patdesk looks for something that may turn up: "14:13:20 UTC"
	"Max",          // a limit: "1024"
	"Organization", // name of an organization: "contoso"
	"RetryAfter",   // when to try again: "in 2 minutes"
	"Sent",         // time of day at which a form was sent: "14:02:20 UTC"
	"Status",       // HTTP status: "403"
	"System",       // what the browser runs on: "Windows"
	"Tenant",       // id of an Entra tenant
	"Token",        // name of a token: "ci-deploy"
	"Until",        // end of a time: "in 9 minutes"
	"Username",     // "mona@contoso.example"
	"When",         // how far away a date is: "in 9 days"
}

// unknownKey is the entry that stands in for one that doesn't exist.
const unknownKey = "unknown"

//go:embed messages.en.json
var catalogueJSON []byte

var catalogue = parseCatalogue(catalogueJSON)

// message is an entry: its three parts as templates over the Placeholders.
type message struct{ title, what, advice *template.Template }

// Message words the entry key with data: a map with string keys, a struct, or nil. Keys are grouped by their first
// word:
//
//	azuredevops.<kind>    every kind of internal/azuredevops, each patTokenError included
//	entra.<kind>          every kind of internal/entra
//	http.<status>         pages for requests that patdesk itself refuses
//	limit.<name>          and for those that came too often
//	store.*               the session store can't be read or written
//	form.*                faults of a form: a sentence beside the field (What), or a heading with advice
//	signin.*              what can go wrong on the way back from Entra
//	permissions.*         what patdesk asks for (What)
//	operation.*           what became of a change: heading (Title), sentence (What), advice
//	notice.*              banners: sentence (What) and the text of the link (Title)
//	expiry.*, rotate.old.*  choices of a form: label (Title) and hint (What)
//	global.*              what happens to global tokens on 2026-12-01 (What, or a few words: Title)
//	bulk.*                changes of many tokens at once
//	<page>.title          headings of pages (Title)
//	everything else       words on links, labels and choices (Title)
//
// A key that doesn't exist gives the entry "unknown"; Has tells.
func Message(key string, data any) Text {
	m, ok := catalogue[key]
	if !ok {
		m = catalogue[unknownKey]
	}
	values := valuesOf(data)
	return Text{Title: fill(m.title, values), What: fill(m.what, values), Advice: fill(m.advice, values)}
}

// Has says if the catalogue has an entry key.
func Has(key string) bool {
	_, ok := catalogue[key]
	return ok
}

// Keys lists the catalogue's keys in alphabetical order.
func Keys() []string { return slices.Sorted(maps.Keys(catalogue)) }

func parseCatalogue(text []byte) map[string]message {
	var entries map[string]struct{ Title, What, Advice string }
	if err := json.Unmarshal(text, &entries); err != nil {
		panic(fmt.Sprintf("templates: messages.en.json: %v", err)) // the file is part of the program
	}
	parsed := make(map[string]message, len(entries))
	for key, e := range entries {
		parsed[key] = message{parseText(key, e.Title), parseText(key, e.What), parseText(key, e.Advice)}
	}
	return parsed
}

func parseText(key, text string) *template.Template {
	return template.Must(template.New(key).Option("missingkey=zero").Parse(text))
}

func fill(t *template.Template, values map[string]string) string {
	var b strings.Builder
	if err := t.Execute(&b, values); err != nil {
		// Over a map of strings only a fault of the catalogue can fail here, and the tests fill every entry.
		return ""
	}
	return strings.TrimSpace(b.String())
}

// valuesOf makes strings of data's entries or exported fields.
func valuesOf(data any) map[string]string {
	values := map[string]string{}
	v := reflect.Indirect(reflect.ValueOf(data))
	switch v.Kind() {
	case reflect.Map:
		for entry := v.MapRange(); entry.Next(); {
			values[entry.Key().String()] = valueText(entry.Value())
		}
	case reflect.Struct:
		for field, value := range v.Fields() {
			if field.IsExported() {
				values[field.Name] = valueText(value)
			}
		}
	}
	return values
}

// valueText is the value as printed; a zero one (0, nil) counts as not given.
func valueText(v reflect.Value) string {
	if v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if !v.IsValid() || v.IsZero() {
		return ""
	}
	return fmt.Sprint(v)
}
