package sns

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"waybill/internal/fault"
)

// Bounds of one fetch.
const (
	fetchTimeout   = 3 * time.Second // all of it
	maxCertificate = 64 << 10        // bytes; the real ones have 2 KiB
	maxHeaders     = 16 << 10
)

// Fetch returns what a URL serves, the PEM text of a certificate. It must end
// with its context and be safe for concurrent use.
type Fetch func(ctx context.Context, url string) ([]byte, error)

// What a fetch meets that has a reason of its own.
var (
	errBlocked    = errors.New("the address is not public")
	errRedirected = errors.New("redirected")
	errTooLarge   = errors.New("too large for a certificate")
	errStatus     = errors.New("status is not 200")
)

// FetchPublic returns the Fetch for certificates on the Internet: direct, by
// HTTPS from public addresses alone, without redirects. Where SNS has private
// addresses, or there is a proxy, certificates must be pinned.
func FetchPublic() Fetch { return fetchOver(publicDialer(), nil) }

// publicDialer connects to public addresses only. It looks at the address that
// is dialled, not at a name that could be looked up twice.
func publicDialer() *net.Dialer {
	return &net.Dialer{Timeout: fetchTimeout, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || !public(to.Addr()) {
			return errBlocked
		}
		return nil
	}}
}

// dialer is what makes connections, a [net.Dialer].
type dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// fetchOver is a Fetch over connections of a dialer, for TLS roots; nil are
// the system's.
func fetchOver(d dialer, roots *x509.CertPool) Fetch {
	client := &http.Client{
		Timeout: fetchTimeout,
		Transport: &http.Transport{
			Proxy:                  nil, // the environment's proxy would dial for us, wherever it likes
			DialContext:            d.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			DisableKeepAlives:      true, // one file a day
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxHeaders,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirected },
	}
	return func(ctx context.Context, url string) ([]byte, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return nil, fmt.Errorf("fetch certificate: %w", err)
		}
		response, err := client.Do(r)
		if err != nil {
			return nil, fmt.Errorf("fetch certificate: %w", err)
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return nil, errStatus
		}
		text, err := io.ReadAll(io.LimitReader(response.Body, maxCertificate+1))
		if err != nil {
			return nil, fmt.Errorf("read certificate: %w", err)
		}
		if len(text) > maxCertificate {
			return nil, errTooLarge
		}
		return text, nil
	}
}

// fetchFault gives a failed fetch its reason, and leaves out what it says: a
// URL is part of it.
func fetchFault(err error) error {
	reason := reasonCertificateUnavailable
	var network net.Error
	switch {
	case fault.ReasonOf(err) == reasonCertificateMalformed:
		reason = reasonCertificateMalformed
	case errors.Is(err, errBlocked):
		reason = reasonCertificateBlocked
	case errors.Is(err, errRedirected):
		reason = reasonCertificateRedirected
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		reason = reasonCertificateTimeout
	}
	return fault.New(fault.Unavailable, reason)
}

// public tells whether an address is one of the Internet's. Addresses that
// carry another one inside (NAT64, 6to4, Teredo) are not: what they lead to is
// not checked here.
func public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.Zone() != "" {
		return false
	}
	if a.Is6() && !netip.MustParsePrefix("2000::/3").Contains(a) {
		return false
	}
	return !slices.ContainsFunc([]string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	}, func(prefix string) bool { return netip.MustParsePrefix(prefix).Contains(a) })
}
