package sns_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/fault"
	"waybill/internal/provider/sns"
)

func header(kind string) http.Header { return http.Header{"X-Amz-Sns-Message-Type": {kind}} }

// elsewhere dials a test's server, whatever is asked for.
type elsewhere struct {
	net.Dialer
	address string
}

func (d *elsewhere) DialContext(ctx context.Context, network, _ string) (net.Conn, error) {
	return d.Dialer.DialContext(ctx, network, d.address)
}

// awsServer is a TLS server under the name of the certificate's host.
func awsServer(t *testing.T, serve http.HandlerFunc) (address string, roots *x509.CertPool) {
	t.Helper()
	text := leaf(t, func(c *x509.Certificate) {
		c.DNSNames, c.NotBefore, c.NotAfter = []string{"sns.eu-west-1.amazonaws.com"}, time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	})
	roots = x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(text))
	block, err := tls.X509KeyPair(text, keyPEM(t))
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(serve)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{block}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), roots
}

func TestFetches(t *testing.T) {
	t.Parallel()
	text := leaf(t, nil)
	for _, c := range []struct {
		name   string
		serve  http.HandlerFunc
		reason string
	}{
		{"a certificate", func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.Host != "sns.eu-west-1.amazonaws.com" || r.URL.Path != "/"+certFile {
				w.WriteHeader(http.StatusNotFound)
			}
			_, _ = w.Write(text)
		}, ""},
		{"nothing there", http.NotFound, "certificate_unavailable"},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://sns.eu-west-1.amazonaws.com/other", http.StatusFound)
		}, "certificate_redirected"},
		{"too much", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(string(text) + strings.Repeat("\n", 64<<10)))
		}, "certificate_unavailable"},
		{"cut short", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5000")
			_, _ = w.Write(text)
		}, "certificate_unavailable"},
		{"another document", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, "certificate_malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			address, roots := awsServer(t, c.serve)
			h := newHouse(t, nil, nil, func(o *sns.Options) { o.Fetch = sns.FetchOver(&elsewhere{address: address}, roots) })
			_, err := h.verify(t, "Notification", notification().Signed(t, leafKey()).Body(t))
			if c.reason == "" {
				require.NoError(t, err)
				return
			}
			refused(t, err, fault.Unavailable, c.reason)
		})
	}
}

// A host that does not answer costs a bounded time, whoever waits.
func TestFetchEnds(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	address, roots := awsServer(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	h := newHouse(t, nil, nil, func(o *sns.Options) { o.Fetch = sns.FetchOver(&elsewhere{address: address}, roots) })
	began := time.Now()
	_, err := h.verify(t, "Notification", notification().Signed(t, leafKey()).Body(t))
	refused(t, err, fault.Unavailable, "certificate_timeout")
	require.GreaterOrEqual(t, time.Since(began), 2*time.Second)
	require.Less(t, time.Since(began), 20*time.Second)
}

// TLS is the certificate's chain: a host that cannot prove its name gives none.
func TestFetchChecksTheHost(t *testing.T) {
	t.Parallel()
	asked := false
	address, _ := awsServer(t, func(http.ResponseWriter, *http.Request) { asked = true })
	h := newHouse(t, nil, nil, func(o *sns.Options) { o.Fetch = sns.FetchOver(&elsewhere{address: address}, x509.NewCertPool()) })
	_, err := h.verify(t, "Notification", notification().Signed(t, leafKey()).Body(t))
	refused(t, err, fault.Unavailable, "certificate_unavailable")
	require.False(t, asked)
}

// The host's name resolves to an address of our own network.
func TestFetchRefusesPrivateAddresses(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	accepted := make(chan struct{}, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			c.Close()
			accepted <- struct{}{}
		}
	}()
	h := newHouse(t, nil, nil, func(o *sns.Options) {
		o.Fetch = sns.FetchOver(&elsewhere{Dialer: *sns.PublicDialer(), address: l.Addr().String()}, nil)
	})
	_, err = h.verify(t, "Notification", notification().Signed(t, leafKey()).Body(t))
	refused(t, err, fault.Unavailable, "certificate_blocked")
	require.Empty(t, accepted)
}

func TestPublicFetchGoesNowhereInside(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"https://127.0.0.1:1/", "https://[::1]:1/", "https://169.254.169.254/latest/meta-data/"} {
		_, err := sns.FetchPublic()(t.Context(), url)
		require.ErrorContains(t, err, "not public")
	}
	_, err := sns.FetchPublic()(t.Context(), "\n")
	require.Error(t, err)
}

func TestPublicAddresses(t *testing.T) {
	t.Parallel()
	for address, public := range map[string]bool{
		"52.94.5.1": true, "2600:1f18::1": true, "::ffff:52.94.5.1": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false, "0.0.0.0": false,
		"0.1.2.3": false, "100.64.0.1": false, "192.0.0.8": false, "198.18.0.1": false, "203.0.113.5": false, "224.0.0.1": false,
		"240.0.0.1": false, "255.255.255.255": false, "::": false, "::1": false, "fe80::1%eth0": false, "fd00::1": false, "fec0::1": false,
		"ff02::1": false, "::ffff:10.0.0.1": false, "::10.0.0.1": false, "64:ff9b::a00:1": false, "2002:a00:1::": false, "2001::1": false,
		"2001:db8::1": false, "2600::1%eth0": false,
	} {
		require.Equal(t, public, sns.Public(netip.MustParseAddr(address)), address)
	}
}

func TestMain(m *testing.M) {
	// A proxy of the environment must not be asked: with this one nothing would work.
	_ = os.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	os.Exit(m.Run())
}
