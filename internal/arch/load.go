package arch

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Package is what the rules need to know of one folder of Go files.
type Package struct {
	Room        string              // folder below the module's root: "internal/fault"
	Imports     map[string][]string // by product files: import path, without the module's name -> files
	TestImports map[string][]string // by _test.go files
	Environment []string            // where product files use [environment]: "file:line os.Getenv"
	Settings    []string            // what is wrong with fields that the environment fills
	Leaks       []string            // internal types in what a public room exports
	Product     Files
	Tests       Files
}

// Files sums up the product files of a folder, or its test files.
type Files struct {
	Any       bool
	Commented bool // one of them has a package comment
}

// commented tells whether the package says what it is for; in a folder of
// tests alone a test file says it.
func (p *Package) commented() bool {
	return p.Product.Commented || !p.Product.Any && p.Tests.Commented
}

// Load reads every package of the module whose root fsys is.
func Load(fsys fs.FS) ([]*Package, error) {
	module, err := moduleName(fsys)
	if err != nil {
		return nil, err
	}
	rooms := map[string]*Package{}
	err = fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return skipped(fsys, name)
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		room := path.Dir(name)
		if rooms[room] == nil {
			rooms[room] = &Package{Room: room, Imports: map[string][]string{}, TestImports: map[string][]string{}}
		}
		return rooms[room].add(fsys, name, module)
	})
	if err != nil {
		return nil, fmt.Errorf("reading the source tree: %w", err)
	}
	pkgs := make([]*Package, 0, len(rooms))
	for _, p := range rooms {
		pkgs = append(pkgs, p)
	}
	slices.SortFunc(pkgs, func(a, b *Package) int { return strings.Compare(a.Room, b.Room) })
	return pkgs, nil
}

// moduleName reads the module's name from go.mod, so that renaming the module
// needs no change here.
func moduleName(fsys fs.FS) (string, error) {
	data, err := fs.ReadFile(fsys, "go.mod")
	if err != nil {
		return "", fmt.Errorf("reading go.mod: %w", err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "module "); ok {
			return strings.TrimSpace(name), nil
		}
	}
	return "", errors.New("go.mod names no module")
}

// skipped leaves out what the go command leaves out: hidden folders, testdata
// and other modules.
func skipped(fsys fs.FS, dir string) error {
	base := path.Base(dir)
	if dir == "." {
		return nil
	}
	if base == "testdata" || base == "vendor" || base[0] == '.' || base[0] == '_' {
		return fs.SkipDir
	}
	if _, err := fs.Stat(fsys, path.Join(dir, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func (p *Package) add(fsys fs.FS, name, module string) error {
	src, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, src, parser.ParseComments)
	if err != nil {
		return err
	}
	isTest := strings.HasSuffix(name, "_test.go")
	into, files := p.Imports, &p.Product
	if isTest {
		into, files = p.TestImports, &p.Tests
	}
	files.Any = true
	files.Commented = files.Commented || documents(file)
	for _, spec := range file.Imports {
		target, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		target = strings.TrimPrefix(target, module+"/")
		into[target] = append(into[target], path.Base(name))
	}
	if !isTest {
		if name != trapped || !behind(file, trappedTag) {
			p.Environment = append(p.Environment, environmentUses(set, file)...)
		}
		p.Settings = append(p.Settings, settings(set, file)...)
		if oneOf(public, p.Room) {
			p.Leaks = append(p.Leaks, leaks(set, file, module)...)
		}
	}
	return nil
}

// behind tells whether a file is built with a tag alone.
func behind(file *ast.File, tag string) bool {
	for _, group := range file.Comments {
		for _, c := range group.List {
			if c.Pos() < file.Package && c.Text == "//go:build "+tag {
				return true
			}
		}
	}
	return false
}

// documents tells whether a file carries its package's comment. A line that
// marks generated code is none.
func documents(file *ast.File) bool {
	text := strings.TrimSpace(file.Doc.Text())
	if file.Name.Name == "main" {
		return text != ""
	}
	rest, ok := strings.CutPrefix(text, "Package "+strings.TrimSuffix(file.Name.Name, "_test"))
	return ok && strings.HasPrefix(strings.TrimPrefix(rest, "_test"), " ")
}

// environmentUses finds calls and references such as os.Getenv, under
// whatever name the file imports os.
func environmentUses(set *token.FileSet, file *ast.File) []string {
	local := map[string]string{} // name in the file -> package
	for _, spec := range file.Imports {
		pkg, _ := strconv.Unquote(spec.Path.Value)
		if environment[pkg] == nil {
			continue
		}
		name := pkg
		if spec.Name != nil {
			name = spec.Name.Name
		}
		local[name] = pkg
	}
	var uses []string
	ast.Inspect(file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && slices.Contains(environment[local[x.Name]], sel.Sel.Name) {
			at := set.Position(sel.Pos())
			uses = append(uses, fmt.Sprintf("%s:%d %s.%s", path.Base(at.Filename), at.Line, local[x.Name], sel.Sel.Name))
		}
		return true
	})
	return uses
}
