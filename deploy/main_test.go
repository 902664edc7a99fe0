// Package deploy_test checks what containers are run from, on a machine that has
// no container engine: Docker's own parsers read the files, which are then
// compared with the code, and the database's init file is run.
package deploy_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"

	"waybill/internal/config"
	"waybill/internal/seal"
)

// root is the repository's.
const root = ".."

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
	require.NoError(t, err)
	return b
}

// exampleEnv is .env.example as docker compose reads it.
func exampleEnv(t *testing.T) types.Mapping {
	t.Helper()
	env, err := dotenv.Parse(bytes.NewReader(read(t, ".env.example")))
	require.NoError(t, err)
	return env
}

// filledEnv is .env.example after an operator has done what it says. No two
// values are the same, so that one in another's place is seen.
func filledEnv(t *testing.T) types.Mapping {
	t.Helper()
	env := exampleEnv(t)
	for name := range env {
		switch name {
		case "WAYBILL_PUBLIC_URL":
			env[name] = "https://hooks.example.com"
		case "WAYBILL_SECRET_KEY":
			env[name] = seal.NewKey()
		default:
			env[name] = hex.EncodeToString([]byte(name))
		}
	}
	return env
}

// details names docker-compose.yml as the loader wants it.
func details(t *testing.T, env types.Mapping) types.ConfigDetails {
	t.Helper()
	dir, err := filepath.Abs(root)
	require.NoError(t, err)
	return types.ConfigDetails{
		WorkingDir:  dir,
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(dir, "docker-compose.yml")}},
		Environment: env,
	}
}

// load reads docker-compose.yml as `docker compose` does, every profile on.
func load(t *testing.T, env types.Mapping) (*types.Project, error) {
	t.Helper()
	return loader.LoadWithContext(t.Context(), details(t, env), func(o *loader.Options) { o.Profiles = []string{"*"} })
}

func project(t *testing.T) *types.Project {
	t.Helper()
	p, err := load(t, filledEnv(t))
	require.NoError(t, err)
	return p
}

func service(t *testing.T, p *types.Project, name string) types.ServiceConfig {
	t.Helper()
	s, err := p.GetService(name)
	require.NoError(t, err)
	return s
}

// environ is what the service's process finds in its environment.
func environ(s types.ServiceConfig) config.Source {
	src := config.Source{}
	for name, value := range s.Environment {
		if value != nil {
			src[name] = *value
		}
	}
	return src
}
