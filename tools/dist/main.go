// Command dist writes what a package says about its parts: a list of the parts (CycloneDX, JSON) and the texts of their licences.
//
//	dist -version 1.2.3 -packages FILE -sbom FILE -licenses FILE BINARY...
//
// The binaries say which Go modules they have; their licences are in the module cache. A module without a licence, or with one
// that is not in [allowed], is an error, because NOTICE would not be true. The file of packages has a line "name version
// architecture" for each package of Debian whose libraries the render child loads.
package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// allowed are the licences that NOTICE names: their names in SPDX, and a sentence of each, with single spaces and in lower case.
var allowed = []struct{ id, sentence string }{
	{"Apache-2.0", "apache license version 2.0"},
	{"MIT", "permission is hereby granted, free of charge, to any person obtaining a copy"},
	{"ISC", "permission to use, copy, modify, and/or distribute this software for any purpose with or without fee"},
	{"ISC", "permission to use, copy, modify, and distribute this software for any purpose with or without fee"},
	{"MPL-2.0", "mozilla public license version 2.0"},
	{"BSD", "with or without modification, are permitted provided that the following conditions are met"},
	{"blessing", "dedicated to the public domain by the authors"}, // SQLite
}

// endorse is in BSD's licence of three clauses, and not in that of two.
const endorse = "endorse or promote products"

// refused are words of licences that NOTICE does not name.
var refused = regexp.MustCompile(`gnu (lesser |affero )?general public license|business source license|server side public|non-?commercial`)

type license struct {
	ID string `json:"id"`
}

type component struct {
	Type     string `json:"type"`
	Name     string `json:"name"`
	Version  string `json:"version"`
	Licenses []struct {
		License license `json:"license"`
	} `json:"licenses,omitempty"`
	PURL string `json:"purl,omitempty"`
}

func (c *component) license(id string) {
	c.Licenses = append(c.Licenses, struct {
		License license `json:"license"`
	}{license{id}})
}

func main() {
	version := flag.String("version", "", "version of roomreel")
	packages := flag.String("packages", "", "file with Debian's packages")
	sbom := flag.String("sbom", "", "file to write the list of parts to")
	licenses := flag.String("licenses", "", "file to write the licences to")
	flag.Parse()
	if err := run(*version, *packages, *sbom, *licenses, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

func run(version, packages, sbom, licenses string, binaries []string) error {
	modules, err := modulesOf(binaries)
	if err != nil {
		return err
	}
	var texts bytes.Buffer
	var list []component
	var problems []error
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		c := component{Type: "library", Name: path, Version: modules[path], PURL: "pkg:golang/" + path + "@" + modules[path]}
		if err := addLicenses(&c, &texts); err != nil {
			problems = append(problems, fmt.Errorf("%s %s: %w", path, modules[path], err))
		}
		list = append(list, c)
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	text, err := os.ReadFile(packages)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		field := strings.Fields(line)
		if len(field) != 3 {
			return fmt.Errorf("%s: %q is not a name, a version and an architecture", packages, line)
		}
		list = append(list, component{
			Type: "library", Name: field[0], Version: field[1],
			PURL: "pkg:deb/debian/" + field[0] + "@" + field[1] + "?arch=" + field[2],
		})
	}
	this := component{Type: "application", Name: "roomreel", Version: version}
	this.license("Apache-2.0")
	document := map[string]any{
		"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
		"metadata": map[string]any{"component": this}, "components": list,
	}
	encoded, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(sbom, append(encoded, '\n'), 0o644), os.WriteFile(licenses, texts.Bytes(), 0o644))
}

// modulesOf returns the version of each module by its path, and that of Go's standard library.
func modulesOf(binaries []string) (map[string]string, error) {
	modules := map[string]string{}
	for _, binary := range binaries {
		info, err := buildinfo.ReadFile(binary)
		if err != nil {
			return nil, err
		}
		modules["std"] = strings.TrimPrefix(info.GoVersion, "go")
		for _, module := range info.Deps {
			if module.Replace != nil {
				module = module.Replace
			}
			modules[module.Path] = module.Version
		}
	}
	return modules, nil
}

var licenseFile = regexp.MustCompile(`(?i)^(li[cs]en[cs]e|copying|copyright|notice)([-._].*)?$`)

// addLicenses notes the licences of a module and appends the text of each, with its notices.
func addLicenses(c *component, texts *bytes.Buffer) error {
	dir, err := folderOf(c.Name, c.Version)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	found := map[string]bool{}
	for _, entry := range entries {
		if entry.IsDir() || !licenseFile.MatchString(entry.Name()) || strings.HasSuffix(entry.Name(), ".go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return err
		}
		for _, id := range recognize(text) {
			found[id] = true
		}
		fmt.Fprintf(texts, "==== %s %s: %s\n\n%s\n", c.Name, c.Version, entry.Name(), bytes.TrimSpace(text))
	}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		if id == "" {
			return errors.New("it has a licence that NOTICE does not name")
		}
		c.license(id)
	}
	if len(found) == 0 {
		return errors.New("no licence found")
	}
	return nil
}

// recognize returns the names of the licences in a text; "" is one that is refused.
func recognize(text []byte) []string {
	flat := strings.Join(strings.Fields(strings.ToLower(strings.ReplaceAll(string(text), ",", ", "))), " ")
	flat = strings.ReplaceAll(strings.ReplaceAll(flat, "license, version", "license version"), " ,", ",")
	var ids []string
	for _, l := range allowed {
		switch {
		case !strings.Contains(flat, l.sentence):
		case l.id == "BSD" && strings.Contains(flat, endorse):
			ids = append(ids, "BSD-3-Clause")
		case l.id == "BSD":
			ids = append(ids, "BSD-2-Clause")
		default:
			ids = append(ids, l.id)
		}
	}
	if len(ids) == 0 && refused.MatchString(flat) { // beside one of the others, it may be left
		ids = append(ids, "")
	}
	return ids
}

// folderOf returns where the files of a module are.
func folderOf(path, version string) (string, error) {
	if path == "std" {
		out, err := exec.Command("go", "env", "GOROOT").Output()
		return strings.TrimSpace(string(out)), err
	}
	out, err := exec.Command("go", "mod", "download", "-json", path+"@"+version).Output()
	if err != nil {
		return "", err
	}
	var module struct{ Dir string }
	err = json.Unmarshal(out, &module)
	return module.Dir, err
}
