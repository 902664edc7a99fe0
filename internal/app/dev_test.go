package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/app"
	"waybill/internal/embedded"
	"waybill/internal/router"
	"waybill/internal/simulate"
)

const (
	startsWithin = time.Minute      // the machine may be busy with other tests
	stopsWithin  = 10 * time.Second // a promise
)

// folder returns a data folder that PostgreSQL's user can enter.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := embedded.MkdirTemp("waybill-app-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

func options(dir string) app.DevOptions {
	return app.DevOptions{
		DataDir: dir, Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0", ReadyFile: filepath.Join(dir, "ready.json"), Seed: true,
		Progress: func(string) {}, Log: slog.New(slog.DiscardHandler),
		Config: app.DevConfig{Router: router.Config{ParkMaxAge: time.Hour, AdoptAfter: 15 * time.Minute, MaxParked: 1000, CacheBytes: 1 << 20}},
	}
}

// instance is a Dev that runs in the background.
type instance struct {
	t     *testing.T
	ready app.Ready
	stop  context.CancelFunc
	ended chan error
}

// begin starts a Dev and does not wait for it.
func begin(t *testing.T, o app.DevOptions, ready func(app.Ready)) *instance {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	i := &instance{t: t, stop: stop, ended: make(chan error, 1)}
	go func() {
		i.ended <- app.Dev(ctx, o, func(_ context.Context, r app.Ready) error { ready(r); return nil })
		close(i.ended)
	}()
	t.Cleanup(func() {
		stop()
		for range i.ended { // closed once it has ended
		}
	})
	return i
}

// start starts a Dev and returns when it is ready and says so.
func start(t *testing.T, o app.DevOptions) *instance {
	t.Helper()
	ready := make(chan app.Ready, 1)
	i := begin(t, o, func(r app.Ready) { ready <- r })
	select {
	case i.ready = <-ready:
	case err := <-i.ended:
		require.NoError(t, err)
		require.FailNow(t, "it ended before it was ready")
	case <-time.After(startsWithin):
		require.FailNow(t, "it does not become ready")
	}
	return i
}

// end stops the instance and returns when it has, within the promised time.
func (i *instance) end() {
	i.t.Helper()
	i.stop()
	select {
	case err := <-i.ended:
		require.NoError(i.t, err)
	case <-time.After(stopsWithin):
		require.FailNow(i.t, "it has not stopped after 10 s")
	}
}

// fails wants a Dev to end by itself before it is ready, and returns why.
func fails(t *testing.T, o app.DevOptions) error {
	t.Helper()
	i := begin(t, o, func(app.Ready) { t.Error("it became ready") })
	select {
	case err := <-i.ended:
		require.Error(t, err)
		require.NotContains(t, err.Error(), "\n", "one sentence")
		return err
	case <-time.After(startsWithin):
		require.FailNow(t, "it does not give up")
		return nil
	}
}

// answers tells what a URL of the instance answers.
func answers(t *testing.T, url string) int {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	return resp.StatusCode
}

func TestDevIsTheSameAfterARestart(t *testing.T) {
	t.Parallel()
	o := options(folder(t))
	first := start(t, o)
	require.Len(t, first.ready.Seed.Orgs, 2)
	require.Equal(t, http.StatusOK, answers(t, first.ready.AdminURL+"/readyz"))
	require.Equal(t, filepath.Join(o.DataDir, "sns"), first.ready.SNSCertDir)
	signs, err := simulate.ReadCertificate(first.ready.SNSCertDir)
	require.NoError(t, err)
	first.end()
	second := start(t, o)
	again, err := simulate.ReadCertificate(second.ready.SNSCertDir)
	require.NoError(t, err)
	require.Equal(t, signs, again)
	require.Equal(t, first.ready.DatabaseURL, second.ready.DatabaseURL)
	require.Equal(t, first.ready.KafkaBrokers, second.ready.KafkaBrokers)
	require.Equal(t, first.ready.SecretKey, second.ready.SecretKey)
	require.Equal(t, first.ready.Seed, second.ready.Seed)
	require.Equal(t, http.StatusOK, answers(t, second.ready.AdminURL+"/readyz"))
	second.end()
}

// A folder may be older than a provider.
func TestAnOlderSeedGainsWhatItLacks(t *testing.T) {
	t.Parallel()
	o := options(folder(t))
	old := app.Seed{StripeSecret: "whsec_0123456789abcdef", Orgs: []app.SeedOrg{{
		ID: "7b2e0000-0000-4000-8000-000000000001", Name: "Harbour Dental", AccountSID: "AC0123456789abcdef0123456789abcdef",
		AuthToken: "0123456789abcdef", Number: "+12025550101",
	}}}
	b, err := json.Marshal(old)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(o.DataDir, app.SeedFile), b, 0o600))
	i := start(t, o) // it is ready once ingest knows every account
	seed := i.ready.Seed
	require.Len(t, seed.Orgs, 1)
	org := seed.Orgs[0]
	for _, made := range []string{org.EmailIdentity, org.SESTopic, org.ConnectInstance, org.ConnectTopic, org.ConnectAPIKey, org.FirehoseKey} {
		require.NotEmpty(t, made)
	}
	require.Equal(t, old.Orgs[0].AuthToken, org.AuthToken)
	var kept app.Seed
	b, err = os.ReadFile(filepath.Join(o.DataDir, app.SeedFile))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &kept))
	require.Equal(t, seed, kept)
	i.end()
}

func TestTheReadyFileIsWholeOrNotThere(t *testing.T) {
	t.Parallel()
	o := options(folder(t))
	const old = `{"http_url":"of the last run"}`
	require.NoError(t, os.WriteFile(o.ReadyFile, []byte(old), 0o600))
	told := make(chan []byte, 1)
	i := begin(t, o, func(app.Ready) {
		b, _ := os.ReadFile(o.ReadyFile)
		told <- b
	})
	var seen []byte
	var failure error
	require.Eventually(t, func() bool {
		seen, failure = os.ReadFile(o.ReadyFile)
		waiting := errors.Is(failure, fs.ErrNotExist) || string(seen) == old
		return !waiting || len(i.ended) > 0 // the first that is seen must be all of it
	}, startsWithin, time.Millisecond)
	require.NoError(t, failure)
	var r app.Ready
	require.NoError(t, json.Unmarshal(seen, &r))
	require.Equal(t, string(seen), string(<-told), "it is there before anybody in the process is told")
	info, err := os.Stat(o.ReadyFile)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), "it holds a password")
	require.Equal(t, http.StatusOK, answers(t, r.AdminURL+"/readyz"))
	i.end()
	left, err := filepath.Glob(o.ReadyFile + "*")
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestTwoInstancesWorkBesideEachOtherOnTwoFolders(t *testing.T) {
	t.Parallel()
	a, b := start(t, options(folder(t))), start(t, options(folder(t)))
	require.NotEqual(t, a.ready.Seed, b.ready.Seed)
	for _, i := range []*instance{a, b} {
		require.Equal(t, http.StatusOK, answers(t, i.ready.AdminURL+"/readyz"))
	}
	a.end()
	require.Equal(t, http.StatusOK, answers(t, b.ready.AdminURL+"/readyz"))
	b.end()
}

func TestASecondInstanceOnTheFolderIsRefused(t *testing.T) {
	t.Parallel()
	o := options(folder(t))
	first := start(t, o)
	err := fails(t, o)
	require.ErrorIs(t, err, embedded.ErrLocked)
	require.ErrorContains(t, err, o.DataDir)
	require.Equal(t, http.StatusOK, answers(t, first.ready.AdminURL+"/readyz"))
	require.FileExists(t, o.ReadyFile, "the first one's")
	first.end()
}

func TestAPortThatIsTakenIsNamedAndNothingIsLeft(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	o := options(folder(t))
	for variable, taken := range map[string]*string{"--listen": &o.Listen, "--admin-listen": &o.AdminListen} {
		free := *taken
		*taken = l.Addr().String()
		require.ErrorContains(t, fails(t, o), "cannot listen on "+*taken+" ("+variable+"): address already in use")
		*taken = free
		require.NoFileExists(t, o.ReadyFile)
		require.NoFileExists(t, filepath.Join(o.DataDir, "postgres", "postmaster.pid"), "PostgreSQL has stopped")
	}
	start(t, o).end()
}

// Whenever it is asked to stop while it starts, it stops without complaint, and
// the folder is good for the next start.
func TestAStopDuringTheStartLeavesAGoodFolder(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	o := options(folder(t))
	for range 10 {
		ready := make(chan struct{})
		began := time.Now()
		i := begin(t, o, func(app.Ready) { close(ready) })
		after := time.Duration(random.Int64N(int64(time.Millisecond) << (1 + random.IntN(10)))) // up to a second, more often sooner
		select {
		case <-ready:
		case <-time.After(after):
		case err := <-i.ended:
			require.NoError(t, err)
			require.FailNow(t, "it ended by itself")
		}
		stopped := time.Now()
		i.end()
		t.Logf("asked to stop after %s, took %s", stopped.Sub(began).Round(time.Millisecond), time.Since(stopped).Round(time.Millisecond))
		require.NoFileExists(t, o.ReadyFile)
		require.NoFileExists(t, filepath.Join(o.DataDir, "postgres", "postmaster.pid"), "PostgreSQL has stopped")
	}
	i := start(t, o)
	require.Equal(t, http.StatusOK, answers(t, i.ready.AdminURL+"/readyz"))
	require.Len(t, i.ready.Seed.Orgs, 2)
	i.end()
}
