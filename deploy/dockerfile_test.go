package deploy_test

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/stretchr/testify/require"

	"waybill/internal/arch"
)

// image is what deploy/Dockerfile says.
type image struct {
	stages     []instructions.Stage
	programs   []string // paths in the image
	entrypoint []string
}

// build reads the Dockerfile and finds out which programs end up where.
func build(t *testing.T) image {
	t.Helper()
	ast, err := parser.Parse(bytes.NewReader(read(t, "deploy/Dockerfile")))
	require.NoError(t, err)
	require.Empty(t, ast.Warnings)
	lint := linter.New(&linter.Config{Warn: func(rule, description, _, message string, _ []parser.Range) {
		t.Errorf("%s: %s: %s", rule, description, message)
	}})
	stages, _, err := instructions.Parse(ast.AST, lint)
	require.NoError(t, err)
	require.Len(t, stages, 2, "one builds, the other runs")

	im := image{stages: stages}
	out, built := goBuild(t, stages[0])
	for _, c := range im.last() {
		switch c := c.(type) {
		case *instructions.CopyCommand:
			require.Equal(t, stages[0].Name, c.From, "only what was built goes into the image")
			require.Equal(t, []string{out}, c.SourcePaths)
			for _, name := range built {
				im.programs = append(im.programs, path.Join(c.DestPath, name))
			}
		case *instructions.EntrypointCommand:
			require.False(t, c.PrependShell, "there is no shell, and a shell would keep SIGTERM to itself")
			im.entrypoint = c.CmdLine
		}
	}
	return im
}

func (im image) last() []instructions.Command { return im.stages[len(im.stages)-1].Commands }

var goBuildLine = regexp.MustCompile(`go build ((?:-\S+ )*)-o (\S+/) \./cmd/\.\.\.$`)

// goBuild returns the folder that a stage builds all commands into, and their names.
func goBuild(t *testing.T, stage instructions.Stage) (out string, programs []string) {
	t.Helper()
	for _, c := range stage.Commands {
		run, ok := c.(*instructions.RunCommand)
		if !ok {
			continue
		}
		line := strings.Join(strings.Fields(strings.Join(run.CmdLine, " ")), " ")
		m := goBuildLine.FindStringSubmatch(line)
		require.NotNil(t, m, "this test does not understand %q", line)
		require.Contains(t, line, "CGO_ENABLED=0", "there is no C library in the image")
		require.Contains(t, m[1], "-trimpath")
		require.NoError(t, run.Expand(func(word string) (string, error) { return word, nil }))
		var caches []string
		for _, mount := range instructions.GetMounts(run) {
			require.Equal(t, instructions.MountTypeCache, mount.Type)
			caches = append(caches, mount.Target)
		}
		require.Equal(t, []string{"/go/pkg/mod", "/root/.cache/go-build"}, caches)
		out = m[2]
	}
	require.NotEmpty(t, out, "nothing is built")
	dirs, err := os.ReadDir(filepath.Join(root, "cmd"))
	require.NoError(t, err)
	for _, d := range dirs {
		programs = append(programs, d.Name())
	}
	return out, programs
}

func TestTheImageHoldsTheProgramsAndNothingElse(t *testing.T) {
	t.Parallel()
	im := build(t)
	require.Equal(t, []string{"/ingest", "/router", "/waybill", "/workers"}, im.programs)
	require.Equal(t, []string{"/waybill"}, im.entrypoint)
	for i, stage := range im.stages {
		requirePinned(t, stage.BaseName, "stage "+strconv.Itoa(i))
	}
	base := im.stages[1].BaseName
	require.True(t, strings.HasPrefix(base, "gcr.io/distroless/static-"), base)
	var user, signal string
	labels := map[string]string{}
	for _, c := range im.last() {
		switch c := c.(type) {
		case *instructions.UserCommand:
			user = c.User
		case *instructions.StopSignalCommand:
			signal = c.Signal
		case *instructions.CmdCommand:
			require.False(t, c.PrependShell)
		case *instructions.RunCommand:
			t.Errorf("there is no shell to run %v", c.CmdLine)
		case *instructions.LabelCommand:
			for _, l := range c.Labels {
				labels[l.Key] = strings.Trim(l.Value, `"`)
			}
		}
	}
	uid, err := strconv.Atoi(strings.Split(user, ":")[0])
	require.NoError(t, err, "USER %q is no number", user)
	require.Positive(t, uid, "root")
	require.Equal(t, "SIGTERM", signal, "what cmd/* wait for")
	require.Equal(t, base, labels["org.opencontainers.image.base.name"])
	require.NotEmpty(t, labels["org.opencontainers.image.title"])
}

// The builder has what was copied and nothing else: a package outside would be
// missing there and nowhere else.
func TestTheBuilderHasEveryPackageThatTheProgramsNeed(t *testing.T) {
	t.Parallel()
	var copied []string
	for _, c := range build(t).stages[0].Commands {
		if c, ok := c.(*instructions.CopyCommand); ok {
			require.Empty(t, c.From)
			for _, source := range c.SourcePaths {
				require.NotEqual(t, ".", source, "the whole tree may hold .env")
				info, err := os.Stat(filepath.Join(root, source))
				require.NoError(t, err)
				if info.IsDir() { // its content goes into the destination
					require.Equal(t, source, c.DestPath)
				}
				copied = append(copied, source)
			}
		}
	}
	require.Subset(t, copied, []string{"go.mod", "go.sum"})

	pkgs, err := arch.Load(os.DirFS(root))
	require.NoError(t, err)
	imports := map[string]map[string][]string{}
	var todo []string
	for _, p := range pkgs {
		imports[p.Room] = p.Imports
		if strings.HasPrefix(p.Room, "cmd/") {
			todo = append(todo, p.Room)
		}
	}
	seen := map[string]bool{}
	for len(todo) > 0 {
		room := todo[0]
		todo = todo[1:]
		if seen[room] || imports[room] == nil { // nil: another module's
			continue
		}
		seen[room] = true
		require.True(t, slices.ContainsFunc(copied, func(dir string) bool { return room == dir || strings.HasPrefix(room, dir+"/") }),
			"%s is not copied into the builder", room)
		for target := range imports[room] {
			todo = append(todo, target)
		}
	}
	require.Greater(t, len(seen), 20, "the imports were not found")
}

// An older compiler would refuse the module; the image never fetches a newer one.
func TestTheBuilderIsTheModulesGo(t *testing.T) {
	t.Parallel()
	m := regexp.MustCompile(`(?m)^go (\d+\.\d+)\.0$`).FindSubmatch(read(t, "go.mod"))
	require.NotNil(t, m, "go.mod asks for a patch release of Go: the Dockerfile must name it too")
	require.Equal(t, "golang:"+string(m[1]), build(t).stages[0].BaseName)
}
