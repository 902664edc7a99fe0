package config_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"waybill/internal/config"
)

type broker struct {
	Brokers  []string      `env:"T_BROKERS" envDefault:"127.0.0.1:9092" doc:"where the broker is"`
	Password config.Secret `env:"T_PASSWORD" doc:"the broker's password"`
	MaxAge   time.Duration `env:"T_MAX_AGE" envDefault:"24h" doc:"how old"`
}

func (b *broker) Validate() error {
	if b.MaxAge < 0 {
		return errors.New("T_MAX_AGE: want 0 or more")
	}
	return nil
}

type process struct {
	Level  slog.Level `env:"T_LEVEL" envDefault:"INFO" doc:"least level"`
	Port   int        `env:"T_PORT,required" doc:"a port"`
	Broker broker
}

func (p *process) Validate() error {
	if p.Port < 0 {
		return errors.New("T_PORT: want 0 or more")
	}
	return nil
}

func TestLoad(t *testing.T) {
	t.Parallel()
	var got process
	require.NoError(t, config.Load(&got, config.Source{"T_PORT": "80", "T_BROKERS": "a:1,b:2", "T_PASSWORD": "x", "T_LEVEL": "DEBUG"}))
	want := process{
		Level: slog.LevelDebug, Port: 80,
		Broker: broker{Brokers: []string{"a:1", "b:2"}, Password: "x", MaxAge: 24 * time.Hour},
	}
	require.Empty(t, cmp.Diff(want, got))
}

// A value may be a secret that was put into the wrong variable.
func TestLoadNeverQuotesAValue(t *testing.T) {
	t.Parallel()
	const leak = "hunter2"
	for _, name := range []string{"T_PORT", "T_MAX_AGE", "T_LEVEL"} {
		var cfg process
		src := config.Source{"T_PORT": "80"}
		src[name] = leak
		err := config.Load(&cfg, src)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), leak)
	}
}

// An operator knows the variables, not the fields of a Go struct.
func TestLoadNamesTheVariable(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"T_PORT", "T_MAX_AGE", "T_LEVEL"} {
		var cfg process
		src := config.Source{"T_PORT": "80"}
		src[name] = "nonsense"
		require.ErrorContains(t, config.Load(&cfg, src), name)
	}
	var cfg process
	require.ErrorContains(t, config.Load(&cfg, config.Source{}), "T_PORT: must be set")
}

func TestLoadReportsEveryProblem(t *testing.T) {
	t.Parallel()
	var cfg process
	err := config.Load(&cfg, config.Source{"T_PORT": "-1", "T_MAX_AGE": "-1h", "T_LEVEL": "loud"})
	require.ErrorContains(t, err, "T_PORT: want 0 or more")
	require.ErrorContains(t, err, "T_MAX_AGE: want 0 or more")
	require.Len(t, strings.Split(err.Error(), "\n"), 4, "a head and one line a problem: %v", err)
}

func TestEnviron(t *testing.T) {
	t.Parallel()
	got := config.Environ([]string{"A=1", "B=x=y", "C=", "junk"})
	require.Equal(t, config.Source{"A": "1", "B": "x=y", "C": ""}, got)
}

func TestFields(t *testing.T) {
	t.Parallel()
	want := []config.Field{
		{Name: "T_LEVEL", Default: "INFO", Doc: "least level", Type: "slog.Level"},
		{Name: "T_PORT", Doc: "a port", Type: "int"},
		{Name: "T_BROKERS", Default: "127.0.0.1:9092", Doc: "where the broker is", Type: "[]string"},
		{Name: "T_PASSWORD", Doc: "the broker's password", Type: "config.Secret"},
		{Name: "T_MAX_AGE", Default: "24h", Doc: "how old", Type: "time.Duration"},
	}
	published := cmpopts.IgnoreUnexported(config.Field{})
	require.Empty(t, cmp.Diff(want, config.Fields(&process{}), published))
	require.Empty(t, cmp.Diff(want, config.Fields(process{}), published))
}

func TestSecretNeverPrints(t *testing.T) {
	t.Parallel()
	const leak = "hunter2"
	secret := config.Secret(leak)
	type holder struct {
		Name   string
		Secret config.Secret
		Ptr    *config.Secret
		List   []config.Secret
		Map    map[string]config.Secret
	}
	h := holder{"n", secret, &secret, []config.Secret{secret}, map[string]config.Secret{"k": secret}}
	var printed []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%c", "%10v"} {
		printed = append(printed, fmt.Sprintf(verb, secret), fmt.Sprintf(verb, &secret), fmt.Sprintf(verb, h), fmt.Sprintf(verb, &h))
	}
	printed = append(printed, fmt.Sprint(secret), fmt.Errorf("bad %v", secret).Error())
	j, err := json.Marshal(h)
	require.NoError(t, err)
	x, err := xml.Marshal(broker{Password: secret})
	require.NoError(t, err)
	printed = append(printed, string(j), string(x))

	var out bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		log := slog.New(handler)
		log.Info("start", "secret", secret, "ptr", &secret, "holder", h, "config", config.LogValue(&broker{Password: secret}))
	}
	printed = append(printed, out.String())

	hex := fmt.Sprintf("%x", leak)
	for _, p := range printed {
		require.NotContains(t, p, leak)
		require.NotContains(t, strings.ToLower(p), hex)
	}
	require.Equal(t, "***", secret.String())
	require.Empty(t, config.Secret("").String(), "an empty secret shows that it is empty")
	require.Equal(t, leak, string(secret))
}

func TestLogValueShowsTheRest(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	cfg := process{Port: 80, Broker: broker{Brokers: []string{"a:1"}, Password: "x"}}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("start", "config", config.LogValue(&cfg))
	var line struct {
		Config map[string]any `json:"config"`
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))
	require.Equal(t, "***", line.Config["T_PASSWORD"])
	require.Equal(t, []any{"a:1"}, line.Config["T_BROKERS"])
	require.InDelta(t, 80, line.Config["T_PORT"], 0)
}
