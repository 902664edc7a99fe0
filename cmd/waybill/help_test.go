package main_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/config"
	"waybill/internal/testkit"
)

// verbs are all that the command does beside dev, demo and their like.
var verbs = []string{
	"migrate up", "migrate status", "topics create", "topics check", "org create", "org list",
	"account add twilio", "account add sns", "account add connect", "account add stripe", "account list", "account move", "account remove", "account reseal",
	"number add", "number move", "number list", "send record", "trace", "campaign show",
	"held list", "held show", "held release", "held replay", "held dismiss", "held acts", "audit", "doctor check", "doctor request", "export", "erase", "simulate", "certificate", "health", "version",
}

func TestEveryVerbHasHelpWithAnExample(t *testing.T) {
	t.Parallel()
	for _, verb := range verbs {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			r := run(t, nil, "", append(strings.Fields(verb), "--help")...)
			require.Zero(t, r.status, r.errOut)
			require.Contains(t, r.out, "Example")
			testkit.Golden(t, "help/"+strings.ReplaceAll(verb, " ", "_")+".txt", []byte(r.out))
		})
	}
}

func TestWrongUsageExitsWithTwoAndSaysWhereToLook(t *testing.T) {
	t.Parallel()
	org := "--org=7b2e0000-0000-4000-8000-000000000001"
	for _, args := range []string{
		"", "nothing", "org", "org create", "org create --name x extra", "org create --nme x", "topics create --profile tiny",
		"number move +15550100001 " + org + " --at yesterday", "number add +1 " + org + " --from 10s", "audit --since never", "audit --wait 5",
		"simulate", "simulate --url localhost", "simulate --url http://localhost --early 1.5", "simulate --url http://localhost --orgs 0 --rate 0",
		"simulate --url http://localhost --mix faxes=1", "simulate --url http://localhost --mix emails=0", "certificate",
		"account add sns --for sqs --topic-arn x", "account add sns --for connect --topic-arn x", "account add sns --for ses --topic-arn x --instance-arn y",
	} {
		r := run(t, nil, "", strings.Fields(args)...)
		require.Equal(t, 2, r.status, args)
		if args != "" {
			require.True(t, strings.HasPrefix(r.errOut, "waybill: "), "%s: %s", args, r.errOut)
			require.Equal(t, 1, strings.Count(r.errOut, "\n"), "%s: more than one line: %s", args, r.errOut)
		}
	}
}

func TestWhatIsMissingFromTheEnvironmentIsNamed(t *testing.T) {
	t.Parallel()
	for args, variable := range map[string]string{
		"org list": "WAYBILL_DATABASE_URL", "migrate status": "WAYBILL_DATABASE_URL", "trace x": "WAYBILL_DATABASE_URL",
	} {
		r := run(t, nil, "", strings.Fields(args)...)
		require.Equal(t, 1, r.status, args)
		require.Contains(t, r.errOut, variable, args)
	}
	r := run(t, config.Source{"WAYBILL_KAFKA_BROKERS": "127.0.0.1:1"}, "", "topics", "check")
	require.Equal(t, 1, r.status)
	require.Contains(t, r.errOut, "cannot reach Kafka at 127.0.0.1:1")
	secret := "postgres://waybill_operator:hunter2@127.0.0.1:1/waybill"
	r = run(t, config.Source{"WAYBILL_DATABASE_URL": secret}, "", "org", "list")
	require.Equal(t, 1, r.status)
	require.Contains(t, r.errOut, "cannot reach the database")
	require.NotContains(t, r.errOut, "hunter2")
	require.Equal(t, 1, strings.Count(r.errOut, "\n"), r.errOut)
}

// The variable of a script that is not set must not stand for everybody.
func TestAnEmptyArgumentIsRefused(t *testing.T) {
	t.Parallel()
	const org = "7b2e0000-0000-4000-8000-000000000001"
	for name, args := range map[string][]string{
		"--customer":   {"erase", "--org", org, "--customer", "", "--yes"},
		"--address":    {"erase", "--org", org, "--address=", "--yes"},
		"--org":        {"held", "dismiss", "--state", "dead", "--org", ""},
		"<id>":         {"trace", ""},
		"<event-id>":   {"held", "dismiss", "twilio/x", ""},
		"--token-id":   {"account", "remove", "x", "--token-id", ""},
		"--public-url": {"simulate", "--url", "http://127.0.0.1:1", "--public-url", ""},
	} {
		r := run(t, nil, "", args...)
		require.Equal(t, 2, r.status, "%q", args)
		require.Contains(t, r.errOut, name+" is empty", "%q", args)
		require.Empty(t, r.out, "%q", args)
	}
}
