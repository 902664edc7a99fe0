package e2e_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/embedded"
	"waybill/internal/events"
	"waybill/internal/operate"
	"waybill/internal/seal"
	"waybill/internal/simulate"
	"waybill/internal/tenants"
	"waybill/internal/testkit"
)

// noCore is how the kernel says that a process can leave no core dump.
var noCore = regexp.MustCompile(`(?m)^Max core file size +0 +0 `)

func leavesNoCore(t *testing.T, p *testkit.Process) {
	t.Helper()
	require.Eventually(t, func() bool {
		limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", p.PID()))
		return err == nil && noCore.Match(limits)
	}, patience, 10*time.Millisecond, "%s may leave a core dump", p.Name)
}

func TestNoProcessLeavesACoreDump(t *testing.T) {
	t.Parallel()
	for _, name := range services {
		p := run(t, name, append(genuine(t, name), "GOTRACEBACK=crash")...)
		leavesNoCore(t, p)
	}
	dir, err := embedded.MkdirTemp("waybill-dump-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	dev := testkit.Start(t, "waybill", os.Environ(), "dev", "--no-seed", "--data-dir", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
	leavesNoCore(t, dev)
	require.Zero(t, dev.Stop(), "its PostgreSQL must not stay behind")
}

// signShared signs with a shared key what simulate signed with the auth token.
func signShared(t *testing.T, r simulate.Request, publicURL, id, key string) simulate.Request {
	t.Helper()
	form, err := url.ParseQuery(string(r.Body))
	require.NoError(t, err)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(publicURL + r.Path))
	for _, name := range slices.Sorted(maps.Keys(form)) {
		mac.Write([]byte(name + form.Get(name)))
	}
	r.Header.Set("X-Twilio-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	r.Header.Set("X-Twilio-Webhooks-Signature-Settings", "key="+id+",algorithm=HMAC_SHA256")
	return r
}

// The secret key is changed as `waybill account reseal --help` says, and every
// callback is accepted before, between and behind, whether the account's token or a
// shared key signed it. What was used is on record then.
func TestTheSecretKeyIsChangedWithoutARefusal(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t)
	broker := testkit.EmbeddedKafka(t, events.Topics(events.Embedded)...).Addr()
	const public = "https://hooks.example.com"
	older, newer := seal.NewKey(), seal.NewKey()
	edge := func(key string) (*testkit.Process, *simulate.Client) {
		listen := testkit.FreeAddress(t)
		p := testkit.Start(t, "ingest", []string{
			"WAYBILL_LISTEN=" + listen, "WAYBILL_ADMIN_LISTEN=" + testkit.FreeAddress(t), "WAYBILL_KAFKA_BROKERS=" + broker,
			"WAYBILL_PUBLIC_URL=" + public, "WAYBILL_SECRET_KEY=" + key, "WAYBILL_INGEST_DRAIN_DELAY=0s",
		})
		p.Await("/readyz", http.StatusOK)
		client := simulate.NewClient("http://"+listen, 2)
		t.Cleanup(client.Close)
		return p, client
	}
	routing := testkit.Start(t, "router", []string{
		"WAYBILL_ADMIN_LISTEN=" + testkit.FreeAddress(t), "WAYBILL_KAFKA_BROKERS=" + broker, "WAYBILL_DATABASE_URL=" + db.URL(testkit.Router),
	})
	routing.Await("/readyz", http.StatusOK)
	waybill := func(key string, args ...string) *testkit.Process {
		return testkit.Start(t, "waybill", []string{"WAYBILL_DATABASE_URL=" + db.URL(testkit.Operator), "WAYBILL_SECRET_KEY=" + key}, append(args, "--json")...)
	}

	tw := simulate.Twilio{PublicURL: public, Account: "AC00112233445566778899aabbccddeeff", Token: "0123456789abcdef0123456789abcdef"}
	const keyID, sharedKey = "webhooks_sharedkey_01", "a shared key of an e2e test"
	folder := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	require.Zero(t, waybill(older, "account", "add", "twilio", "--platform", "--sid", tw.Account, "--auth-token-file", file("token", tw.Token),
		"--shared-key-id", keyID, "--shared-key-file", file("key", sharedKey)).Status(patience))

	n := 0
	accepted := func(client *simulate.Client) error {
		n++
		plain := tw.Inbound(fmt.Sprintf("SM%032x", n), "+15550100001", "+15550100002", "hello")
		for _, r := range []simulate.Request{plain, signShared(t, tw.Inbound(fmt.Sprintf("SM%032x", 1000+n), "+15550100001", "+15550100002", "hello"), public, keyID, sharedKey)} {
			if got, err := client.Do(t.Context(), &r); err != nil || got != http.StatusOK {
				return fmt.Errorf("answered %d: %w", got, err)
			}
		}
		return nil
	}
	first, old := edge(older)
	require.Eventually(t, func() bool { return accepted(old) == nil }, patience, 20*time.Millisecond, "ingest never heard of the account")

	_, both := edge(newer + "," + older)
	require.NoError(t, accepted(both), "1. the new key stands in front")
	first.Stop()
	dry := testkit.Result[operate.Resealed](waybill(newer+","+older, "account", "reseal", "--dry-run"), patience)
	require.Equal(t, operate.Resealed{DryRun: true, Tokens: 2, Resealed: 2, Unopened: []operate.Unopened{}}, dry)
	require.NoError(t, accepted(both))
	done := testkit.Result[operate.Resealed](waybill(newer+","+older, "account", "reseal"), patience)
	require.Equal(t, operate.Resealed{Tokens: 2, Resealed: 2, Unopened: []operate.Unopened{}}, done)
	require.NoError(t, accepted(both), "2. sealed anew, also while ingest has not heard of it")
	done = testkit.Result[operate.Resealed](waybill(newer+","+older, "account", "reseal"), patience)
	require.Equal(t, 2, done.Current, "once more changes nothing")

	_, fresh := edge(newer)
	require.Eventually(t, func() bool { return accepted(fresh) == nil }, patience, 20*time.Millisecond, "3. the old key is gone")
	require.NoError(t, accepted(both))

	lost := waybill(older, "account", "reseal")
	require.Equal(t, 1, lost.Status(patience), "a token that no key opens is said, and not lost")
	require.Len(t, testkit.Result[operate.Resealed](lost, patience).Unopened, 2)
	require.NoError(t, accepted(fresh))

	require.Zero(t, routing.Stop())
	for _, a := range testkit.Result[[]tenants.Account](waybill(newer, "account", "list"), patience) {
		require.Len(t, a.Tokens, 2)
		for _, tok := range a.Tokens {
			require.NotNil(t, tok.LastUsedAt, "it signed")
			require.WithinDuration(t, time.Now(), *tok.LastUsedAt, time.Minute)
		}
	}
}
