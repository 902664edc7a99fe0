package sns

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"waybill/internal/fault"
)

// Bounds of the cache of certificates.
const (
	maxCached = 32             // each of certificates and of failures
	keepFor   = 24 * time.Hour // a certificate; its dates are checked at every use
	failFor   = 30 * time.Second
	maxFlying = 4 // fetches at a time: names are the sender's to choose
)

// certificate is what is used of one.
type certificate struct {
	key         *rsa.PublicKey
	name        string
	from, until time.Time
	pinned      bool
}

// parseCertificate reads one PEM block, with nothing beside it.
func parseCertificate(text []byte) (*certificate, error) {
	malformed := fault.New(fault.Unavailable, reasonCertificateMalformed)
	text = bytes.TrimSpace(text)
	begin := []byte("-----BEGIN")
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" || len(rest) > 0 || !bytes.HasPrefix(text, begin) || bytes.Count(text, begin) != 1 {
		return nil, malformed
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, malformed
	}
	key, ok := c.PublicKey.(*rsa.PublicKey)
	if !ok || key.N.BitLen() < 2048 || key.N.BitLen() > 8*maxSignature {
		return nil, malformed
	}
	return &certificate{key: key, name: c.Subject.CommonName, from: c.NotBefore, until: c.NotAfter}, nil
}

// vouches tells whether a certificate may sign for a topic now. A pinned one
// was chosen by an operator, whatever is written in it.
func (c *certificate) vouches(t topic, now time.Time) error {
	switch {
	case c.pinned:
		return nil
	case !t.signs(c.name):
		return fault.New(fault.Unverified, reasonCertificateName)
	case now.Before(c.from) || now.After(c.until):
		return fault.New(fault.Unverified, reasonCertificateExpired)
	}
	return nil
}

// Pinned are certificates by the last element of their URL.
type Pinned map[string]*certificate

// ReadPinned reads the files of a folder that are named as AWS names
// certificates. Any that cannot be used is an error, as are none at all.
func ReadPinned(folder fs.FS) (Pinned, error) {
	files, err := fs.Glob(folder, "*.pem")
	if err != nil {
		return nil, fmt.Errorf("list pinned SNS certificates: %w", err)
	}
	pinned := Pinned{}
	for _, file := range files {
		if !isCertificateFile(path.Base(file)) {
			return nil, fmt.Errorf("pinned SNS certificate %s: not named as in SigningCertURL", file)
		}
		text, err := fs.ReadFile(folder, file)
		if err != nil {
			return nil, fmt.Errorf("read pinned SNS certificate: %w", err)
		}
		c, err := parseCertificate(text)
		if err != nil {
			return nil, fmt.Errorf("pinned SNS certificate %s: %w", file, err)
		}
		c.pinned = true
		pinned[path.Base(file)] = c
	}
	if len(pinned) == 0 {
		return nil, errors.New("no pinned SNS certificates: want PEM files named as in SigningCertURL")
	}
	return pinned, nil
}

// cached is what came of a fetch, until it is too old.
type cached struct {
	cert  *certificate
	err   error
	until time.Time
}

// certificates fetches certificates by URL and keeps them. Failures are kept
// apart, so that invented names cannot push good certificates out.
type certificates struct {
	fetch   Fetch
	now     func() time.Time
	good    *lru.Cache[string, cached]
	failed  *lru.Cache[string, cached]
	flights singleflight.Group
	flying  chan struct{}
}

func newCertificates(fetch Fetch, now func() time.Time) *certificates {
	c := &certificates{fetch: fetch, now: now, flying: make(chan struct{}, maxFlying)}
	c.good, _ = lru.New[string, cached](maxCached) // fails for sizes below one only
	c.failed, _ = lru.New[string, cached](maxCached)
	return c
}

// get returns a certificate. Callers for the same one share one fetch, which
// goes on for the others when one of them leaves.
func (c *certificates) get(ctx context.Context, url string) (*certificate, error) {
	if got, ok := c.kept(url); ok {
		return got.cert, got.err
	}
	flight := c.flights.DoChan(url, func() (any, error) {
		if got, ok := c.kept(url); ok { // by a flight that landed meanwhile
			return got, nil
		}
		return c.load(context.WithoutCancel(ctx), url), nil
	})
	select {
	case r := <-flight:
		got := r.Val.(cached)
		return got.cert, got.err
	case <-ctx.Done():
		return nil, fault.New(fault.Unavailable, reasonCertificateTimeout)
	}
}

// kept returns what is known of a URL.
func (c *certificates) kept(url string) (cached, bool) {
	now := c.now()
	for _, kept := range []*lru.Cache[string, cached]{c.good, c.failed} {
		if got, ok := kept.Get(url); ok && now.Before(got.until) {
			return got, true
		}
	}
	return cached{}, false
}

// load fetches and keeps one certificate, or that there is none. Waiting for
// one's turn is not a failure of the URL, and is not kept.
func (c *certificates) load(ctx context.Context, url string) cached {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	select {
	case c.flying <- struct{}{}:
		defer func() { <-c.flying }()
	case <-ctx.Done():
		return cached{err: fault.New(fault.Unavailable, reasonCertificateTimeout)}
	}
	text, err := c.fetch(ctx, url)
	var cert *certificate
	if err == nil {
		cert, err = parseCertificate(text)
	}
	if err != nil {
		got := cached{err: fetchFault(err), until: c.now().Add(failFor)}
		c.failed.Add(url, got)
		return got
	}
	got := cached{cert: cert, until: c.now().Add(keepFor)}
	c.good.Add(url, got)
	return got
}
