package mutants_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"waybill/internal/testkit"
)

// defect is one thing that somebody could get wrong.
type defect struct {
	name  string
	harm  string    // what it would do to users
	file  string    // from the root of the module
	text  string    // as it stands in the file, exactly once
	wrong string    // what stands there instead
	tests []witness // each must fail
}

// witness is a test that fails if a promise is broken: the folder of its
// package and its name, with that of a subtest behind a slash.
type witness struct{ in, test string }

func by(in string, tests ...string) []witness {
	out := make([]witness, len(tests))
	for i, name := range tests {
		out[i] = witness{in, name}
	}
	return out
}

func (w witness) id() string { return w.in + " " + w.test }

// exists tells whether the package has such a test.
func (w witness) exists(root string) error {
	name, _, _ := strings.Cut(w.test, "/")
	text, err := sources(root, w.in)
	if err == nil && !strings.Contains(text, "\nfunc "+name+"(t *testing.T)") {
		err = fmt.Errorf("%s has no test %s", w.in, name)
	}
	return err
}

// sources returns the tests of a package as one text.
func sources(root, in string) (string, error) {
	files, err := filepath.Glob(filepath.Join(root, in, "*_test.go"))
	if err != nil {
		return "", err
	}
	var all strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		all.Write(text)
	}
	return all.String(), nil
}

// planted returns the file with the defect.
func (d *defect) planted(root string) ([]byte, error) {
	sound, err := os.ReadFile(filepath.Join(root, d.file))
	if err != nil {
		return nil, err
	}
	if n := bytes.Count(sound, []byte(d.text)); n != 1 {
		return nil, fmt.Errorf("the defect %q no longer fits: what it replaces stands %d times in %s", d.name, n, d.file)
	}
	wrong := bytes.Replace(sound, []byte(d.text), []byte(d.wrong), 1)
	if bytes.Equal(sound, wrong) {
		return nil, fmt.Errorf("the defect %q changes nothing", d.name)
	}
	if filepath.Ext(d.file) == ".go" {
		formatted, err := format.Source(wrong)
		if err != nil {
			return nil, fmt.Errorf("the defect %q is no Go: %w", d.name, err)
		}
		if !bytes.Equal(formatted, wrong) {
			return nil, fmt.Errorf("the defect %q is not formatted", d.name)
		}
	}
	return wrong, nil
}

// try plants the defect and runs its tests.
func (d *defect) try(t *testing.T) (verdict, error) {
	t.Helper()
	root, dir := testkit.Root(), t.TempDir()
	wrong, err := d.planted(root)
	if err != nil {
		return verdict{}, err
	}
	instead, overlay := filepath.Join(dir, filepath.Base(d.file)), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(instead, wrong, 0o600); err != nil {
		return verdict{}, err
	}
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, d.file): instead}})
	if err != nil {
		return verdict{}, err
	}
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		return verdict{}, err
	}
	return judge(t, d.tests, []string{"-overlay", overlay})
}
