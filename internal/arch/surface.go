package arch

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"strconv"
	"strings"
)

// public are the rooms that programs outside the module import.
var public = []string{"status", "status/kafka", "sends", "sends/kafka"}

// leaks finds types of internal rooms in what a file exports: the fields of its
// types, the arguments and results of its functions. Nobody outside could name them.
func leaks(set *token.FileSet, file *ast.File, module string) []string {
	rooms := internalImports(file, module)
	var found []string
	var look func(ast.Node)
	look = func(in ast.Node) {
		ast.Inspect(in, func(n ast.Node) bool {
			if st, ok := n.(*ast.StructType); ok {
				for _, f := range st.Fields.List {
					if !hidden(f) {
						look(f.Type)
					}
				}
				return false
			}
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && rooms[x.Name] != "" {
				at := set.Position(sel.Pos())
				found = append(found, fmt.Sprintf("%s:%d %s.%s of %s", path.Base(at.Filename), at.Line, x.Name, sel.Sel.Name, rooms[x.Name]))
			}
			return true
		})
	}
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() {
				look(d.Type)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if t := exportedType(spec); t != nil {
					look(t)
				}
			}
		}
	}
	return found
}

// internalImports returns the internal rooms that a file imports, by their name in it.
func internalImports(file *ast.File, module string) map[string]string {
	rooms := map[string]string{}
	for _, spec := range file.Imports {
		target, _ := strconv.Unquote(spec.Path.Value)
		room, ok := strings.CutPrefix(target, module+"/")
		if !ok || !strings.HasPrefix(room, "internal/") {
			continue
		}
		name := path.Base(room)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		rooms[name] = room
	}
	return rooms
}

// hidden tells whether all names of a struct's field are unexported; an embedded
// one has none of its own and is seen.
func hidden(f *ast.Field) bool {
	for _, name := range f.Names {
		if name.IsExported() {
			return false
		}
	}
	return len(f.Names) > 0
}

// exportedType returns the type that an exported declaration spells out, nil if none.
func exportedType(spec ast.Spec) ast.Expr {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() {
			return s.Type
		}
	case *ast.ValueSpec:
		if s.Names[0].IsExported() {
			return s.Type
		}
	}
	return nil
}
