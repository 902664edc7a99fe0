package arch

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// secretName matches variables whose values must never be printed. A database
// URL holds a password.
var secretName = regexp.MustCompile(`(PASSWORD|SECRET|SECRET_KEY|TOKEN|DATABASE_URL)$`)

// settings checks the fields that are filled from the environment: each is
// described for the generated page, and a secret has the type that hides it.
func settings(set *token.FileSet, file *ast.File) []string {
	var broken []string
	ast.Inspect(file, func(n ast.Node) bool {
		field, ok := n.(*ast.Field)
		if !ok || field.Tag == nil {
			return true
		}
		text, err := strconv.Unquote(field.Tag.Value)
		if err != nil {
			return true
		}
		tag := reflect.StructTag(text)
		name, _, _ := strings.Cut(tag.Get("env"), ",")
		if name == "" {
			return true
		}
		at := set.Position(field.Pos())
		where := fmt.Sprintf("%s:%d %s", path.Base(at.Filename), at.Line, name)
		if tag.Get("doc") == "" {
			broken = append(broken, where+` has no doc:"..." tag`)
		}
		if secretName.MatchString(name) && types.ExprString(field.Type) != "config.Secret" {
			broken = append(broken, where+" is not a config.Secret")
		}
		return true
	})
	return broken
}
