package sns_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/fault"
	"waybill/internal/provider/sns"
)

// named is a genuine body whose certificate has a name with a number in it.
func named(t testing.TB, n int) []byte {
	t.Helper()
	url := fmt.Sprintf("https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-%032d.pem", n)
	return notification().With("SigningCertURL", url).Signed(t, leafKey()).Body(t)
}

func TestOneFetchForManyCallers(t *testing.T) {
	t.Parallel()
	text, body := leaf(t, nil), notification().Signed(t, leafKey()).Body(t)
	synctest.Test(t, func(t *testing.T) {
		var fetches atomic.Int32
		proceed := make(chan struct{})
		h := newHouse(t, nil, nil, func(o *sns.Options) {
			o.Fetch = func(context.Context, string) ([]byte, error) {
				fetches.Add(1)
				<-proceed
				return text, nil
			}
		})
		results := make(chan error)
		const callers = 50
		for range callers {
			go func() {
				_, err := h.verify(t, "Notification", body)
				results <- err
			}()
		}
		synctest.Wait() // all of them wait for the certificate
		close(proceed)
		for range callers {
			require.NoError(t, <-results)
		}
		require.EqualValues(t, 1, fetches.Load())
	})
}

func TestLeavingCallerDoesNotEndTheFetch(t *testing.T) {
	t.Parallel()
	text := leaf(t, nil)
	var fetches atomic.Int32
	proceed, done := make(chan struct{}), make(chan error, 1)
	ctx, leave := context.WithCancel(t.Context())
	h := newHouse(t, nil, nil, func(o *sns.Options) {
		o.Fetch = func(ctx context.Context, _ string) ([]byte, error) {
			fetches.Add(1)
			leave()
			<-proceed
			done <- ctx.Err()
			return text, nil
		}
	})
	body := notification().Signed(t, leafKey()).Body(t)
	_, err := h.verifier.Verify(ctx, header("Notification"), body, h.topics)
	refused(t, err, fault.Unavailable, "certificate_timeout")
	close(proceed)
	require.NoError(t, <-done)
	_, err = h.verify(t, "Notification", body)
	require.NoError(t, err)
	require.EqualValues(t, 1, fetches.Load())
}

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func TestFailuresAreKeptForHalfAMinute(t *testing.T) {
	t.Parallel()
	c := &clock{at: now}
	var failing atomic.Bool
	failing.Store(true)
	text := leaf(t, nil)
	var fetches atomic.Int32
	h := newHouse(t, nil, nil, func(o *sns.Options) {
		o.Now = c.now
		o.Fetch = func(context.Context, string) ([]byte, error) {
			fetches.Add(1)
			if failing.Load() {
				return nil, errors.New("https://sns.example/secret: no route")
			}
			return text, nil
		}
	})
	body := notification().Signed(t, leafKey()).Body(t)
	for range 3 {
		_, err := h.verify(t, "Notification", body)
		refused(t, err, fault.Unavailable, "certificate_unavailable")
	}
	failing.Store(false)
	c.move(30*time.Second - 1)
	_, err := h.verify(t, "Notification", body)
	refused(t, err, fault.Unavailable, "certificate_unavailable")
	require.EqualValues(t, 1, fetches.Load())
	c.move(1)
	_, err = h.verify(t, "Notification", body)
	require.NoError(t, err)
	require.EqualValues(t, 2, fetches.Load())
}

func TestCertificatesAreKeptForADay(t *testing.T) {
	t.Parallel()
	c := &clock{at: now}
	h := newHouse(t, leaf(t, func(c *x509.Certificate) { c.NotAfter = now.Add(36 * time.Hour) }), nil,
		func(o *sns.Options) { o.Now, o.MaxAge = c.now, 0 })
	body := notification().Signed(t, leafKey()).Body(t)
	verify := func() error {
		_, err := h.verify(t, "Notification", body)
		return err
	}
	require.NoError(t, verify())
	c.move(24*time.Hour - 1)
	require.NoError(t, verify())
	require.Equal(t, 1, h.fetches())
	c.move(1)
	require.NoError(t, verify())
	require.Equal(t, 2, h.fetches())
	// A certificate that expires while it is kept ends then.
	c.move(12*time.Hour + time.Second)
	refused(t, verify(), fault.Unverified, "certificate_expired")
	require.Equal(t, 2, h.fetches())
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	h := newHouse(t, leaf(t, nil), nil, nil)
	for n := range 33 {
		_, err := h.verify(t, "Notification", named(t, n))
		require.NoError(t, err)
	}
	require.Equal(t, 33, h.fetches())
	_, err := h.verify(t, "Notification", named(t, 32))
	require.NoError(t, err)
	require.Equal(t, 33, h.fetches())
	_, err = h.verify(t, "Notification", named(t, 0))
	require.NoError(t, err)
	require.Equal(t, 34, h.fetches(), "the oldest had to go")
}

// Invented names fail, and must not push out what is good.
func TestFailuresDoNotPushOutCertificates(t *testing.T) {
	t.Parallel()
	text := leaf(t, nil)
	var fetches atomic.Int32
	h := newHouse(t, nil, nil, func(o *sns.Options) {
		o.Fetch = func(_ context.Context, url string) ([]byte, error) {
			fetches.Add(1)
			if url == certURL {
				return text, nil
			}
			return nil, errors.New("not found")
		}
	})
	good := notification().Signed(t, leafKey()).Body(t)
	_, err := h.verify(t, "Notification", good)
	require.NoError(t, err)
	for n := range 40 {
		_, err := h.verify(t, "Notification", named(t, n))
		refused(t, err, fault.Unavailable, "certificate_unavailable")
	}
	_, err = h.verify(t, "Notification", good)
	require.NoError(t, err)
	require.EqualValues(t, 41, fetches.Load())
}

// Names are the sender's to invent: a few fetches go on at a time, the others
// wait for their turn, and not for long.
func TestFewFetchesAtATime(t *testing.T) {
	t.Parallel()
	text := leaf(t, nil)
	var all [6][]byte
	for n := range all {
		all[n] = named(t, n)
	}
	synctest.Test(t, func(t *testing.T) {
		var flying atomic.Int32
		proceed := make(chan struct{})
		h := newHouse(t, nil, nil, func(o *sns.Options) {
			o.Fetch = func(context.Context, string) ([]byte, error) {
				flying.Add(1)
				<-proceed
				return text, nil
			}
		})
		results := make(chan error)
		verify := func(n int) {
			_, err := h.verify(t, "Notification", all[n])
			results <- err
		}
		for n := range 4 {
			go verify(n)
		}
		synctest.Wait()
		go verify(4)
		refused(t, <-results, fault.Unavailable, "certificate_timeout")
		go verify(5)
		synctest.Wait()
		require.EqualValues(t, 4, flying.Load())
		close(proceed)
		for range 5 {
			require.NoError(t, <-results)
		}
		go verify(4) // whose turn did not come: that says nothing of its certificate
		require.NoError(t, <-results)
	})
}

func TestMalformedCertificates(t *testing.T) {
	t.Parallel()
	good := leaf(t, nil)
	block, _ := pem.Decode(good)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(3), NotAfter: now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, curve.Public(), curve)
	require.NoError(t, err)
	for name, text := range map[string][]byte{
		"nothing":          nil,
		"a page":           []byte("<html>"),
		"another block":    pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: block.Bytes}),
		"two":              append(append([]byte{}, good...), good...),
		"something before": append([]byte("x\n"), good...),
		"something behind": append(append([]byte{}, good...), 'x'),
		"a broken one too": append([]byte("-----BEGIN X-----\n"), good...),
		"cut":              pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: block.Bytes[:100]}),
		"no RSA":           pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, text, nil, nil)
			_, err := h.verify(t, "Notification", notification().Signed(t, leafKey()).Body(t))
			refused(t, err, fault.Unavailable, "certificate_malformed")
			_, err = sns.ReadPinned(fstest.MapFS{certFile: {Data: text}})
			require.ErrorContains(t, err, certFile)
		})
	}
}

func TestPinned(t *testing.T) {
	t.Parallel()
	expired := leaf(t, func(c *x509.Certificate) { c.Subject.CommonName, c.NotAfter = "ours", now.Add(-time.Minute) })
	pinned, err := sns.ReadPinned(fstest.MapFS{certFile: {Data: expired}, "README": {}})
	require.NoError(t, err)
	h := newHouse(t, leaf(t, nil), nil, func(o *sns.Options) { o.Pinned = pinned })
	verify := func(f fields) error {
		_, err := h.verify(t, "Notification", f.Body(t))
		return err
	}
	require.NoError(t, verify(notification().Signed(t, leafKey())))
	refused(t, verify(notification().Signed(t, otherKey())), fault.Unverified, "bad_signature")
	other := notification().With("SigningCertURL", strings.Replace(certURL, "0", "1", 1)).Signed(t, leafKey())
	refused(t, verify(other), fault.Unavailable, "certificate_not_pinned")
	elsewhere := notification().With("SigningCertURL", "https://evil.tld/"+certFile).Signed(t, leafKey())
	refused(t, verify(elsewhere), fault.Unverified, "bad_certificate_url")
	require.Zero(t, h.fetches())

	_, err = sns.ReadPinned(fstest.MapFS{})
	require.Error(t, err, "with none all would be refused")
	_, err = sns.ReadPinned(fstest.MapFS{"cert.pem": {Data: expired}})
	require.Error(t, err)
	_, err = sns.ReadPinned(fstest.MapFS{certFile: {Mode: 1 << 31}}) // a folder
	require.Error(t, err)
}
