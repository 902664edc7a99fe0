package main_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/seal"
	"waybill/internal/tenants"
	"waybill/internal/testkit"
)

const account = "AC0123456789abcdef0123456789abcdef"

func (s *shell) org(name string) string {
	s.t.Helper()
	var org tenants.Org
	s.json(&org, 0, "org", "create", "--name", name)
	return string(org.ID)
}

func TestEnteringAnOrganisationItsAccountAndItsSenders(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	out := s.json(nil, 0, "org", "create", "--name", "Harbour Dental", "--id", "7b2e0000-0000-4000-8000-000000000001", "--external-id", "4711")
	testkit.Golden(t, "json/org_create.json", steady(out))
	org := "7b2e0000-0000-4000-8000-000000000001"
	other := "91cc0000-0000-4000-8000-000000000002"
	s.json(nil, 0, "org", "create", "--name", "Other", "--id", other)
	testkit.Golden(t, "json/org_list.json", steady(s.json(nil, 0, "org", "list")))

	token := s.file("0123456789abcdef\n")
	out = s.json(nil, 0, "account", "add", "twilio", "--org", org, "--org", other, "--sid", account, "--auth-token-file", token)
	testkit.Golden(t, "json/account_add_twilio.json", steady(out))
	out = s.json(nil, 0, "account", "add", "stripe", "--signing-secret-file", s.file("whsec_x"))
	testkit.Golden(t, "json/account_add_stripe.json", steady(out))
	s.json(nil, 0, "account", "add", "stripe", "--signing-secret-file", s.file("whsec_y"), "--endpoint", "sandbox", "--test")
	instance := "arn:aws:connect:eu-central-1:123456789012:instance/1"
	s.json(nil, 0, "account", "add", "sns", "--for", "connect", "--org", org, "--topic-arn", "arn:aws:sns:eu-central-1:123456789012:t", "--instance-arn", instance)
	s.json(nil, 0, "account", "add", "connect", "--org", org, "--instance-arn", instance, "--api-key-file", s.file("key"))
	out = s.json(nil, 0, "account", "list")
	require.NotContains(t, out, "0123456789abcdef\\n")
	require.NotContains(t, out, "whsec_x")
	testkit.Golden(t, "json/account_list.json", steady(out))
	third := "a5cc0000-0000-4000-8000-000000000003"
	s.json(nil, 0, "org", "create", "--name", "Third", "--id", third)
	testkit.Golden(t, "json/account_move.json", steady(s.json(nil, 0, "account", "move", account, "--from", org, "--org", third, "--at", "+30s")))
	require.Regexp(t, org+` until 20\S+ \S+, `+other+`, `+third+` from 20\S+ \S+`, s.run("account", "list").out)
	testkit.Golden(t, "json/account_remove.json", steady(s.json(nil, 0, "account", "remove", account)))

	testkit.Golden(t, "json/number_add.json", steady(s.json(nil, 0, "number", "add", "+1 (555) 010-0001", "--org", org)))
	testkit.Golden(t, "json/number_move.json", steady(s.json(nil, 0, "number", "move", "+15550100001", "--org", other, "--at", "+30s")))
	testkit.Golden(t, "json/number_list.json", steady(s.json(nil, 0, "number", "list")))

	for _, verb := range [][]string{{"org", "list"}, {"account", "list"}, {"number", "list"}} {
		r := s.run(verb...)
		require.Zero(t, r.status, r.errOut)
		require.Contains(t, r.out, "  ", "a table has columns")
	}
}

// A shared key stands beside the token or alone, under the id by which requests
// name it.
func TestEnteringASharedKey(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	org := s.org("one")
	add := func(more ...string) {
		s.json(nil, 0, append([]string{"account", "add", "twilio", "--org", org, "--sid", account}, more...)...)
	}
	key := s.file("the shared key")
	add("--shared-key-id", "webhooks_sharedkey_01", "--shared-key-file", key)
	add("--shared-key-id", "webhooks_sharedkey_01", "--shared-key-file", key) // has it already
	add("--shared-key-id", "webhooks_sharedkey_02", "--shared-key-file", key, "--shared-key-algorithm", "HMAC_SHA1", "--auth-token-file", s.file("the token"))
	var all []tenants.Account
	s.json(&all, 0, "account", "list")
	kinds := map[string]string{}
	for _, tok := range all[0].Tokens {
		kinds[tok.KeyID] = tok.Algorithm
		require.Nil(t, tok.LastUsedAt)
	}
	require.Equal(t, map[string]string{"": "", "webhooks_sharedkey_01": "HMAC_SHA256", "webhooks_sharedkey_02": "HMAC_SHA1"}, kinds)
	require.Len(t, all[0].Tokens, 3)
	require.Contains(t, s.run("account", "list").out, "webhooks_sharedkey_01 since 2")
	require.Contains(t, s.run("account", "list").out, " (0 days), last used not seen")

	// Then under a new secret key.
	older := s.env["WAYBILL_SECRET_KEY"]
	s.env["WAYBILL_SECRET_KEY"] = seal.NewKey()
	require.Contains(t, s.run("account", "reseal").out, "no key opens "+all[0].Tokens[0].ID+" of twilio "+account)
	require.Equal(t, 1, s.run("account", "reseal").status)
	s.env["WAYBILL_SECRET_KEY"] += "," + older
	testkit.Golden(t, "json/account_reseal.json", []byte(s.json(nil, 0, "account", "reseal")))
	add("--auth-token-file", s.file("the token"))
	s.json(&all, 0, "account", "list")
	require.Len(t, all[0].Tokens, 3, "the token that was sealed anew is still known")
}

func TestWhatIsRefusedExitsWithOneAndWhatIsUnknownWithThree(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	org, other := s.org("one"), s.org("two")
	require.Zero(t, s.run("number", "add", "+15550100001", "--org", org).status)
	for _, c := range []struct {
		status int
		says   string
		args   []string
	}{
		{1, "is empty", []string{"account", "add", "twilio", "--org", org, "--sid", account, "--auth-token-file", s.file("\n")}},
		{1, "reading --auth-token-file", []string{"account", "add", "twilio", "--org", org, "--sid", account, "--auth-token-file", "/nowhere"}},
		{1, "exists already", []string{"org", "create", "--name", "x", "--id", org}},
		{1, "number move", []string{"number", "add", "+15550100001", "--org", other}},
		{1, "5 seconds ahead", []string{"account", "move", account, "--org", other, "--at", "+1s"}},
		{1, "5 seconds ahead", []string{"number", "move", "+15550100001", "--org", other, "--at", "+1s"}},
		{2, "--platform", []string{"account", "add", "twilio", "--sid", account, "--auth-token-file", s.file("t")}},
		{2, "not both", []string{"account", "add", "twilio", "--org", org, "--platform", "--sid", account, "--auth-token-file", s.file("t")}},
		{2, "account SID", []string{"account", "add", "twilio", "--org", org, "--sid", "AC1", "--auth-token-file", s.file("t")}},
		{2, "what signs", []string{"account", "add", "twilio", "--org", org, "--sid", account}},
		{2, "go together", []string{"account", "add", "twilio", "--org", org, "--sid", account, "--shared-key-id", "webhooks_sharedkey_1"}},
		{2, "id of a shared key", []string{"account", "add", "twilio", "--org", org, "--sid", account, "--shared-key-id", "key", "--shared-key-file", s.file("k")}},
		{2, "not a UUID", []string{"number", "add", "+15550100002", "--org", "4711"}},
		{2, "--kind", []string{"number", "add", "15550100002", "--org", org}},
		{3, "no organisation", []string{"number", "add", "+15550100002", "--org", uuid.NewString()}},
		{3, "no organisation holds", []string{"number", "move", "+15550100003", "--org", org, "--at", "+1m"}},
		{3, "no account", []string{"account", "remove", "AC1"}},
		{3, "no account", []string{"account", "move", "AC1", "--org", org, "--at", "+1m"}},
		{2, "--from", []string{"account", "move", "AC1", "--org", org, "--from", "4711", "--at", "+1m"}},
		{3, "nothing is on record", []string{"trace", "SM1"}},
		{3, "no campaign", []string{"campaign", "show", uuid.NewString()}},
		{3, "no event", []string{"held", "show", "x"}},
		{2, "say which events", []string{"held", "dismiss"}},
		{2, "--state", []string{"held", "list", "--state", "lost"}},
	} {
		r := s.run(c.args...)
		require.Equal(t, c.status, r.status, "%v: %s", c.args, r.errOut)
		require.Contains(t, r.errOut, c.says)
		require.Empty(t, r.out)
	}
	s.env["WAYBILL_DATABASE_URL"] = s.db.URL(testkit.ReadOnly)
	r := s.run("org", "create", "--name", "x")
	require.Equal(t, 1, r.status)
	require.Contains(t, r.errOut, "waybill_operator")
}
