package api

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// source is what the description takes from Go's source: which parameters a handler reads, what comments say about fields, and the
// words of each kind of status.
type source struct {
	funcs    map[string]*ast.FuncDecl // "listRooms", "events.list"
	comments map[string]string        // "roomBody.duration": "seconds"
	words    map[string]string        // "RoomCompleted": "completed"
	enums    map[string][]string      // "RoomStatus": all its words, in order
}

func readSource(t *testing.T, folders ...string) source {
	t.Helper()
	s := source{map[string]*ast.FuncDecl{}, map[string]string{}, map[string]string{}, map[string][]string{}}
	for _, folder := range folders {
		names, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if !strings.HasSuffix(name.Name(), ".go") || strings.HasSuffix(name.Name(), "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), folder+"/"+name.Name(), nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, decl := range file.Decls {
				s.read(decl, folder == ".")
			}
		}
	}
	return s
}

func (s source) read(decl ast.Decl, handlers bool) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if !handlers {
			return
		}
		s.funcs[d.Name.Name] = d
		if d.Recv != nil {
			if of, plain := d.Recv.List[0].Type.(*ast.Ident); plain {
				s.funcs[of.Name+"."+d.Name.Name] = d
			}
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				for i, value := range spec.Values {
					text, ok := literal(value)
					if !ok {
						continue
					}
					s.words[spec.Names[i].Name] = text
					if of, named := spec.Type.(*ast.Ident); named && d.Tok == token.CONST {
						s.enums[of.Name] = append(s.enums[of.Name], text)
					}
				}
			case *ast.TypeSpec:
				if of, is := spec.Type.(*ast.StructType); is {
					for _, field := range of.Fields.List {
						if field.Tag != nil && field.Comment != nil {
							tag, _ := strconv.Unquote(field.Tag.Value)
							s.comments[spec.Name.Name+"."+jsonName(reflect.StructTag(tag))] = strings.TrimSpace(field.Comment.Text())
						}
					}
				}
			}
		}
	}
}

func literal(e ast.Expr) (string, bool) {
	text, is := e.(*ast.BasicLit)
	if !is || text.Kind != token.STRING {
		return "", false
	}
	unquoted, err := strconv.Unquote(text.Value)
	return unquoted, err == nil
}

func jsonName(tag reflect.StructTag) string {
	name, _, _ := strings.Cut(tag.Get("json"), ",")
	return name
}

// reads are what a handler reads of a request.
type reads struct {
	Query, Form, Upload bool
	Params              []param
}

// param is a parameter, and the method of params that reads it.
type param struct {
	Name, Reader string
	Words        []string // of a choice
	SID          string   // RoomSID, of sidParam
}

// readers are the methods of params that take the name of a parameter.
var readers = []string{"text", "json", "list", "boolean", "integer", "whole", "instant", "choice", "sidParam", "trackNumber", "millis", "seconds", "tracks"}

// handlerName is the name of a handler's function, as in s.funcs.
func handlerName(h handler) string {
	name := strings.TrimSuffix(runtime.FuncForPC(reflect.ValueOf(h).Pointer()).Name(), "-fm")
	name = name[strings.LastIndex(name, "/")+1:]
	return strings.TrimPrefix(strings.TrimPrefix(name, "api."), "(*API).")
}

// of returns what a function reads, also in the functions that it calls.
func (s source) of(t *testing.T, name string) reads {
	t.Helper()
	var r reads
	entered := map[*ast.FuncDecl]bool{}
	var enter func(d *ast.FuncDecl)
	enter = func(d *ast.FuncDecl) {
		if d == nil || entered[d] {
			return
		}
		entered[d] = true
		ast.Inspect(d.Body, func(n ast.Node) bool {
			call, is := n.(*ast.CallExpr)
			if !is {
				return true
			}
			called, kind := calledName(call.Fun)
			switch {
			case slices.Contains(readers, called):
				args := call.Args
				if called == "choice" || called == "sidParam" {
					args = args[1:]
				}
				if len(args) == 0 {
					return true
				}
				p := param{Reader: called, SID: kind}
				if p.Name, is = literal(args[0]); !is {
					return true
				}
				if called == "choice" {
					for _, word := range args[1:] {
						text, is := literal(word)
						if !is {
							name, _ := calledName(word)
							text = s.words[name]
						}
						if text == "" {
							t.Fatalf("%s: a word of %s is no constant", d.Name.Name, p.Name)
						}
						p.Words = append(p.Words, text)
					}
				}
				if !slices.ContainsFunc(r.Params, func(q param) bool { return q.Name == p.Name }) {
					r.Params = append(r.Params, p)
				}
			case called == "query":
				r.Query = true
			case called == "form":
				r.Form = true
			default:
				r.Upload = r.Upload || called == "readToMedia"
				enter(s.funcs[called])
			}
			return true
		})
	}
	root := s.funcs[name]
	if root == nil {
		t.Fatalf("there is no function %s", name)
	}
	enter(root)
	return r
}

// calledName returns the last name of an expression, and the last name of its type argument.
func calledName(e ast.Expr) (name, kind string) {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name, ""
	case *ast.SelectorExpr:
		return e.Sel.Name, ""
	case *ast.IndexExpr:
		name, _ = calledName(e.X)
		kind, _ = calledName(e.Index)
	}
	return name, kind
}
