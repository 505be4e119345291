package roomreel_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// tree holds what documents may name: the files of this module and the declarations of its packages.
type tree struct {
	files    []string                   // slash-separated, from the root
	declared map[string]map[string]bool // package name: "Open", "Store", "Store.Open", "Config.Path", "TestOpen"
}

// walkTree reads all packages with their tests, for every operating system. A package and its external tests count as one.
func walkTree(t *testing.T) tree {
	t.Helper()
	all := tree{declared: map[string]map[string]bool{}}
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", ".cache", "bin", "node_modules"}, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		all.files = append(all.files, filepath.ToSlash(name))
		if !strings.HasSuffix(name, ".go") || strings.Contains(name, "testdata") {
			return nil
		}
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		pkg := strings.TrimSuffix(file.Name.Name, "_test")
		if all.declared[pkg] == nil {
			all.declared[pkg] = map[string]bool{}
		}
		for _, d := range file.Decls {
			declare(all.declared[pkg], d)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// declare adds the names of a declaration, with the methods of receivers and the members of structs and interfaces.
func declare(names map[string]bool, d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if d.Recv != nil {
			name = typeName(d.Recv.List[0].Type) + "." + name
		}
		names[name] = true
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					names[name.Name] = true
				}
			case *ast.TypeSpec:
				names[spec.Name.Name] = true
				var members *ast.FieldList
				switch of := spec.Type.(type) {
				case *ast.StructType:
					members = of.Fields
				case *ast.InterfaceType:
					members = of.Methods
				default:
					continue
				}
				for _, member := range members.List {
					for _, name := range member.Names {
						names[spec.Name.Name+"."+name.Name] = true
					}
				}
			}
		}
	}
}

// typeName returns the name of a receiver's type: Store for *Store, List for List[T].
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// has reports whether a path or pattern matches a file or folder. A pattern without a slash matches in every folder.
func (all tree) has(pattern string) bool {
	pattern = strings.TrimSuffix(pattern, "/")
	return slices.ContainsFunc(all.files, func(file string) bool {
		if !strings.Contains(pattern, "/") {
			file = path.Base(file)
		}
		for ; file != "."; file = path.Dir(file) {
			if same, _ := path.Match(pattern, file); same {
				return true
			}
		}
		return false
	})
}

var (
	fenced     = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	quoted     = regexp.MustCompile("`([^`\n]+)`")
	ofPackage  = regexp.MustCompile(`^([a-z][a-z0-9]*)\.([A-Z]\w*(\.[A-Z]\w*)?)$`)
	ofType     = regexp.MustCompile(`^[A-Z]\w*\.[A-Z]\w*$`)
	ofTest     = regexp.MustCompile(`^(Test|Fuzz|Benchmark)[A-Z]\w*$`)
	ofFile     = regexp.MustCompile(`^[\w*-]+\.(go|md|sql|txtar)$`)
	ofFolder   = regexp.MustCompile(`^(\.ci|bench|cmd|docs|e2e|internal|scripts|tools)/[\w./*-]*$`)
	ofMake     = regexp.MustCompile(`^make ([a-z-]+)`)
	makeTarget = regexp.MustCompile(`(?m)^([a-z-]+):`)
	link       = regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"`)
	heading    = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	notInSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// missing returns what a quoted word of a document names and the tree lacks. It returns "" if it exists, or if the word names
// nothing of this project.
func (all tree) missing(word string, std, targets []string) string {
	anywhere := func(name string) bool {
		for _, names := range all.declared {
			if names[name] {
				return true
			}
		}
		return false
	}
	word = strings.TrimSuffix(word, "()")
	switch {
	case ofPackage.MatchString(word):
		parts := ofPackage.FindStringSubmatch(word)
		if names, ours := all.declared[parts[1]]; ours && !names[parts[2]] || !ours && !slices.Contains(std, parts[1]) {
			return "no package declares " + word
		}
	case ofType.MatchString(word), ofTest.MatchString(word):
		if !anywhere(word) {
			return "no package declares " + word
		}
	case ofFile.MatchString(word), ofFolder.MatchString(word):
		if !all.has(word) {
			return "there is no file " + word
		}
	case ofMake.MatchString(word):
		if target := ofMake.FindStringSubmatch(word)[1]; !slices.Contains(targets, target) {
			return "the Makefile has no target " + target
		}
	}
	return ""
}

func TestDocuments_NameWhatExists(t *testing.T) {
	all := walkTree(t)
	out, err := exec.Command("go", "list", "std").Output()
	if err != nil {
		t.Fatal(err)
	}
	std := strings.Fields(string(out))
	for i := range std {
		std[i] = path.Base(std[i])
	}
	var targets []string
	for _, target := range makeTarget.FindAllStringSubmatch(read(t, "Makefile"), -1) {
		targets = append(targets, target[1])
	}
	for _, file := range all.files {
		if file != "ARCHITECTURE.md" && file != "CONTRIBUTING.md" && !(strings.HasPrefix(file, "docs/") && strings.HasSuffix(file, ".md")) {
			continue
		}
		for _, word := range quoted.FindAllStringSubmatch(fenced.ReplaceAllString(read(t, file), ""), -1) {
			if file == "docs/clients.md" && ofType.MatchString(word[1]) {
				continue // other libraries' types
			}
			if said := all.missing(word[1], std, targets); said != "" {
				t.Errorf("%s: %s", file, said)
			}
		}
	}
}

func TestDocuments_LinksHaveTargets(t *testing.T) {
	all := walkTree(t)
	for _, file := range all.files {
		if !strings.HasSuffix(file, ".md") {
			continue
		}
		for _, found := range link.FindAllStringSubmatch(fenced.ReplaceAllString(read(t, file), ""), -1) {
			target := found[1] + found[2]
			if strings.Contains(target, ":") { // another site, or mailto
				continue
			}
			name, fragment, _ := strings.Cut(target, "#")
			to := path.Join(path.Dir(file), name)
			if name == "" {
				to = file
			}
			if to != "." && !all.has(to) {
				t.Errorf("%s links to %s, which is not there", file, target)
				continue
			}
			if fragment != "" && strings.HasSuffix(to, ".md") && !slices.Contains(slugs(read(t, to)), fragment) {
				t.Errorf("%s links to %s, which has no such heading", file, target)
			}
		}
	}
}

// slugs returns the link fragments of a page's headings.
func slugs(page string) []string {
	var found []string
	for _, h := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(page, ""), -1) {
		found = append(found, strings.ReplaceAll(notInSlug.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-"))
	}
	return found
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
