package mutants_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/testkit"
)

// verdict is what tests said, each by its package and name.
type verdict struct {
	passed []string
	failed []string // without those that failed only because a subtest did
}

// blind returns the tests that did not fail.
func (v *verdict) blind(tests []witness) (names []string) {
	for _, w := range tests {
		if !slices.ContainsFunc(v.failed, func(f string) bool { return f == w.id() || strings.HasPrefix(f, w.id()+"/") }) {
			names = append(names, w.id())
		}
	}
	return names
}

// catchers names the tests that failed, several subtests of one together.
func (v *verdict) catchers() string {
	subtests := map[string]int{}
	for _, f := range v.failed {
		subtests[topOf(f)]++
	}
	var said []string
	for _, f := range v.failed {
		switch top := topOf(f); subtests[top] {
		case 0: // said
		case 1:
			said = append(said, f)
		default:
			said = append(said, fmt.Sprintf("%s (%d subtests)", top, subtests[top]))
			subtests[top] = 0
		}
	}
	return strings.Join(said, ", ")
}

// topOf returns a test without its subtest.
func topOf(id string) string {
	in, test, _ := strings.Cut(id, " ")
	top, _, _ := strings.Cut(test, "/")
	return in + " " + top
}

// judge runs tests of any packages, one package after the other.
func judge(t *testing.T, tests []witness, flags []string) (verdict, error) {
	t.Helper()
	var packages []string
	patterns := map[string][]string{}
	for _, w := range tests {
		if patterns[w.in] == nil {
			packages = append(packages, w.in)
		}
		patterns[w.in] = append(patterns[w.in], w.pattern())
	}
	var v verdict
	for _, in := range packages {
		args := append([]string{"test", "-json", "-count=1", "-vet=off", "-timeout=3m"}, flags...)
		args = append(args, "-run", strings.Join(patterns[in], "|"), "./"+in)
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir, cmd.Stderr = testkit.Root(), os.Stderr
		// Property tests try the same cases each time and leave nothing in the working tree.
		cmd.Env = append(os.Environ(), "RAPID_SEED=1", "RAPID_NOFAILFILE=1", "RAPID_SHRINKTIME=1s")
		out, err := cmd.Output()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			return v, err
		}
		if err := v.read(in, bytes.NewReader(out), err != nil); err != nil {
			return v, err
		}
	}
	return v, nil
}

// pattern selects the test and nothing else.
func (w witness) pattern() string {
	parts := strings.Split(w.test, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}

// unsound is what a test says whose defect is not one that could be shipped: the
// schema cannot be made, or the database does not understand a statement.
// 42501 is a refusal, and so a wall that holds.
var unsound = regexp.MustCompile(`starting the test server|SQLSTATE 42(?:[^5]|5[^0])\w+|expected \d+ arguments, got \d+`)

// read reads what `go test -json` says of one package.
func (v *verdict) read(in string, out io.Reader, failed bool) error {
	var said struct{ Action, Test, Output, FailedBuild string }
	var failures, running []string
	var output strings.Builder
	panicked := false
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		said.Action, said.Test, said.Output, said.FailedBuild = "", "", "", ""
		if err := json.Unmarshal(lines.Bytes(), &said); err != nil {
			return fmt.Errorf("reading the output of go test: %w", err)
		}
		output.WriteString(said.Output)
		panicked = panicked || strings.HasPrefix(said.Output, "panic: ")
		switch {
		case said.Action == "build-fail", said.FailedBuild != "":
			return fmt.Errorf("it does not compile: %s", oneLine(output.String()))
		case said.Test == "":
		case said.Action == "run":
			running = append(running, said.Test)
		case said.Action == "pass", said.Action == "fail", said.Action == "skip":
			running = slices.DeleteFunc(running, func(r string) bool { return r == said.Test })
			if said.Action == "pass" {
				v.passed = append(v.passed, in+" "+said.Test)
			}
			if said.Action == "fail" {
				failures = append(failures, said.Test)
			}
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if what := unsound.FindString(output.String()); failed && what != "" {
		return fmt.Errorf("it breaks more than a promise: %s", what)
	}
	if len(failures) == 0 && panicked {
		failures = running // the process ended with them
	}
	if failed && len(failures) == 0 {
		return fmt.Errorf("go test failed without a failing test: %s", oneLine(output.String()))
	}
	for _, name := range failures {
		if !slices.ContainsFunc(failures, func(f string) bool { return strings.HasPrefix(f, name+"/") }) {
			v.failed = append(v.failed, in+" "+name)
		}
	}
	return nil
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return s[:min(len(s), 400)]
}

// What is no catch must not be taken for one.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, out string
		failed    bool
		want      []string
		err       string
	}{
		{"all pass", `{"Action":"run","Test":"TestA"}` + "\n" + `{"Action":"pass","Test":"TestA"}` + "\n" + `{"Action":"pass"}`, false, nil, ""},
		{"one fails", `{"Action":"run","Test":"TestA"}` + "\n" + `{"Action":"fail","Test":"TestA"}` + "\n" + `{"Action":"fail"}`, true, []string{"p TestA"}, ""},
		{"a subtest fails", `{"Action":"fail","Test":"TestA/b"}` + "\n" + `{"Action":"fail","Test":"TestA"}`, true, []string{"p TestA/b"}, ""},
		{"it hangs", `{"Action":"run","Test":"TestA"}` + "\n" + `{"Action":"output","Output":"panic: test timed out after 3m0s\n"}` + "\n" + `{"Action":"fail"}`, true, []string{"p TestA"}, ""},
		{"it does not compile", `{"Action":"build-output","Output":"x.go:1: undefined: y\n"}` + "\n" + `{"Action":"build-fail"}`, true, nil, "it does not compile: x.go:1: undefined: y"},
		{"its package does not compile", `{"Action":"fail","FailedBuild":"p"}`, true, nil, "it does not compile: "},
		{"the schema cannot be made", `{"Action":"output","Test":"TestA","Output":"Messages: starting the test server\n"}` + "\n" + `{"Action":"fail","Test":"TestA"}`, true, nil, "it breaks more than a promise: starting the test server"},
		{"no statement", `{"Action":"output","Test":"TestA","Output":"applying: SQLSTATE 42P18\n"}` + "\n" + `{"Action":"fail","Test":"TestA"}`, true, nil, "it breaks more than a promise: SQLSTATE 42P18"},
		{"a row of somebody else", `{"Action":"output","Test":"TestA","Output":"applying: SQLSTATE 42501\n"}` + "\n" + `{"Action":"fail","Test":"TestA"}`, true, []string{"p TestA"}, ""},
		{"nothing failed but the process", `{"Action":"output","Output":"goleak\n"}` + "\n" + `{"Action":"fail"}`, true, nil, "go test failed without a failing test: goleak"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var v verdict
			err := v.read("p", strings.NewReader(c.out), c.failed)
			if c.err != "" {
				require.EqualError(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, v.failed)
		})
	}
}
