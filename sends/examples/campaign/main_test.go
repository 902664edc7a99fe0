package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/app"
	"waybill/internal/embedded"
	"waybill/internal/simulate"
	"waybill/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m, testkit.NoLeaks()) }

const patience = 2 * time.Minute

// waybill starts the whole of it as a process of its own.
func waybill(t *testing.T) (app.Ready, app.SeedOrg) {
	t.Helper()
	dir, err := embedded.MkdirTemp("waybill-example-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	data, ready := filepath.Join(dir, "data"), filepath.Join(dir, "ready.json")
	var env []string
	for _, name := range []string{"PATH", "HOME"} {
		env = append(env, name+"="+os.Getenv(name))
	}
	dev := testkit.Start(t, "waybill", env, "dev", "--data-dir", data, "--listen", testkit.FreeAddress(t), "--admin-listen", testkit.FreeAddress(t), "--ready-file", ready)
	require.Eventually(t, func() bool { _, err := os.Stat(ready); return err == nil || !dev.Running() }, patience, 20*time.Millisecond)
	require.True(t, dev.Running(), "it has ended")
	t.Cleanup(func() { require.Zero(t, dev.Stop()) })
	read := func(file string, into any) {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(b, into))
	}
	var r app.Ready
	var seed app.Seed
	read(ready, &r)
	read(filepath.Join(data, app.SeedFile), &seed)
	return r, seed.Orgs[0]
}

// provider is Twilio's API, which calls back with genuine signatures.
type provider struct {
	t       *testing.T
	client  *simulate.Client
	account simulate.Twilio

	mu sync.Mutex
	n  int
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	if user != p.account.Account || password != p.account.Token {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch to := r.FormValue("To"); to {
	case "+12025550100": // not a number that Twilio sends to
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"code":21211,"message":"invalid","status":400}`)
		return
	case "+12025550101": // it is sent, and the answer is lost
		p.callBack(r, "delivered")
		w.WriteHeader(http.StatusBadGateway)
		return
	case "+12025550102":
		fmt.Fprintf(created(w), `{"sid":%q,"status":"queued"}`, p.callBack(r, "undelivered"))
	default:
		fmt.Fprintf(created(w), `{"sid":%q,"status":"queued"}`, p.callBack(r, "delivered"))
	}
}

func created(w http.ResponseWriter) http.ResponseWriter {
	w.WriteHeader(http.StatusCreated)
	return w
}

// callBack reports the end of a message, before the answer that it is accepted.
func (p *provider) callBack(r *http.Request, end string) (sid string) {
	p.mu.Lock()
	p.n++
	sid = fmt.Sprintf("SM%032x", p.n)
	p.mu.Unlock()
	form := url.Values{"MessageSid": {sid}, "AccountSid": {p.account.Account}, "From": {r.FormValue("From")}, "To": {r.FormValue("To")}, "MessageStatus": {end}}
	if end == "undelivered" {
		form.Set("ErrorCode", "30003")
	}
	request := p.account.Sign(strings.TrimPrefix(r.FormValue("StatusCallback"), p.account.PublicURL), form)
	status, err := p.client.Do(context.Background(), &request)
	if err != nil || status != http.StatusNoContent {
		p.t.Errorf("the callback is answered %d, %v", status, err)
	}
	return sid
}

// Every end that a message can come to, the callbacks before their records, and
// an answer of the provider that is lost: all are counted.
func TestACampaignIsSentAndFollowed(t *testing.T) {
	t.Parallel()
	ready, org := waybill(t)
	client := simulate.NewClient(ready.HTTPURL, 4)
	defer client.Close()
	account := simulate.Twilio{PublicURL: ready.HTTPURL, Account: org.AccountSID, Token: org.AuthToken}
	api := httptest.NewServer(&provider{t: t, client: client, account: account})
	defer api.Close()
	token := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(token, []byte(org.AuthToken+"\n"), 0o600))
	numbers := "+12025550100\n+12025550101\n+12025550102\n+12025550103\n+12025550104\n"

	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	var stdout, stderr bytes.Buffer
	code := run(ctx, []string{
		"--brokers", ready.KafkaBrokers, "--org", org.ID, "--account", org.AccountSID, "--auth-token-file", token, "--from", org.Number,
		"--public-url", ready.HTTPURL, "--text", "We open at nine.", "--twilio", api.URL,
	}, strings.NewReader(numbers), &stdout, &stderr)
	require.Zero(t, code, "%s\n%s", &stdout, &stderr)
	require.Contains(t, stdout.String(), "5 recorded, 4 of them answered by the provider\n")
	require.True(t, strings.HasSuffix(stdout.String(), "5 messages, 0 open: map[delivered:3 failed:1 undelivered:1]\n"), stdout.String())
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--help"}, 0, "Example:"},
		{nil, 2, "--public-url"},
		{[]string{"--loud"}, 2, "not defined"},
		{[]string{"--org", "o", "--account", "AC1", "--from", "1", "--public-url", "https://x", "--text", "t", "--auth-token-file", "/nowhere/at all"}, 2, "reading the auth token"},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, c.code, run(t.Context(), c.args, strings.NewReader(""), &stdout, &stderr), c.args)
		require.Contains(t, stderr.String(), c.says)
		require.Empty(t, stdout.String())
	}
}
