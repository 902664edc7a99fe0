// Package providertest is the suite that every provider must pass: what is
// genuine is accepted, what was changed anywhere is refused, and nothing that
// a signer sends makes a parser panic or changes its mind.
//
// It is for tests only. It holds the provider to the contract in package
// provider and knows nothing of any one provider.
package providertest

import (
	"bytes"
	"net/http"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider"
)

// Scheme is what a signature is made with.
type Scheme uint8

// The schemes.
const (
	MAC       Scheme = iota // a secret that both sides have
	Bearer                  // the secret itself is sent
	Published               // a key whose public half is published: none is registered here
)

// Case is one genuine request of one provider.
type Case struct {
	Name     string
	Verifier provider.Verifier
	Parser   provider.Parser

	Signer  string           // the name that the signer is registered under
	As      provider.Secret  // what its secrets are registered as, beside their values
	Request provider.Request // unsigned; every byte of its body must count: no two spellings of one value
	Header  string           // the header that carries the signature
	// Sign puts a signature made with the secret into the request's headers, or of
	// a published scheme into its body. It must be written without the provider's
	// own code.
	Sign func(r *provider.Request, secret []byte)

	Scheme Scheme
	// Register returns a complete snapshot that knows the signer by these secrets;
	// nil = [Register] under Signer's name.
	Register func(secrets ...[]byte) Signers

	SignsURI  bool // whether the request URI is signed
	SignsBody bool // whether the body is signed
}

// The secrets of the suite's signers.
var (
	secret = []byte("0123456789abcdef0123456789abcdef")
	older  = []byte("fedcba9876543210fedcba9876543210")
)

// Suite runs every case through everything that the contract promises.
func Suite(t *testing.T, cases ...Case) {
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			t.Run("accepts what is genuine", c.genuine)
			t.Run("accepts every secret of a rotation", c.rotation)
			t.Run("refuses other secrets", c.otherSecret)
			t.Run("refuses without a signature", c.unsigned)
			t.Run("refuses changed bits", c.flipped)
			t.Run("tells unknown from unsure", c.stranger)
			t.Run("never accepts an empty secret", c.emptySecret)
			t.Run("is safe for concurrent use", c.concurrent)
			t.Run("parses the same each time", c.parse)
			t.Run("parses damage without panic", c.damage)
			t.Run("closes its set of reasons", c.reasons)
		})
	}
}

// signed returns the genuine request, a copy of its own.
func (c Case) signed(with []byte) *provider.Request {
	r := c.Request
	r.Header = c.Request.Header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Body = bytes.Clone(c.Request.Body)
	c.Sign(&r, with)
	return &r
}

// register returns a complete snapshot that holds the signer with secrets.
func (c Case) register(values ...[]byte) Signers {
	if c.Register != nil {
		return c.Register(values...)
	}
	s := Register(c.Signer, values...)
	for i := range values {
		s.Known[c.Signer].Secrets[i].Name, s.Known[c.Signer].Secrets[i].Algorithm = c.As.Name, c.As.Algorithm
	}
	return s
}

// refused requires that a request is refused with one of the reasons, and
// returns the class. The error must not tell what is in the request.
func (c Case) refused(t *testing.T, r *provider.Request, s provider.Signers) fault.Class {
	t.Helper()
	v, err := c.Verifier.Verify(t.Context(), r, s)
	require.Error(t, err)
	require.Zero(t, v, "a refusal vouches for nothing")
	require.Contains(t, c.Verifier.Reasons(), fault.ReasonOf(err))
	require.Equal(t, fault.ReasonOf(err), err.Error(), "a refusal says its reason and nothing else")
	class := fault.ClassOf(err)
	want := []fault.Class{fault.Unverified, fault.Unregistered, fault.Unavailable}
	if c.Scheme == Published {
		want = append(want, fault.Invalid) // not an envelope at all
	}
	require.Contains(t, want, class)
	return class
}

func (c Case) genuine(t *testing.T) {
	v, err := c.Verifier.Verify(t.Context(), c.signed(secret), c.register(secret))
	require.NoError(t, err)
	require.NotEmpty(t, v.Signer)
	require.NotEmpty(t, v.Key)
	require.LessOrEqual(t, len(v.Key), 300, "keys are bounded")
	for _, h := range v.Headers {
		require.Equal(t, string(bytes.ToLower([]byte(h.Key))), h.Key, "names of kept headers are in lower case")
	}
}

func (c Case) rotation(t *testing.T) {
	if c.Scheme == Published {
		return // there is no secret
	}
	for _, with := range [][]byte{older, secret} {
		_, err := c.Verifier.Verify(t.Context(), c.signed(with), c.register(older, secret))
		require.NoError(t, err)
	}
}

func (c Case) otherSecret(t *testing.T) {
	require.Equal(t, fault.Unverified, c.refused(t, c.signed(older), c.register(secret)))
}

func (c Case) unsigned(t *testing.T) {
	r := c.signed(secret)
	want := []fault.Class{fault.Unverified}
	if c.Scheme == Published {
		want = append(want, fault.Invalid) // the header only says what the body is
	}
	r.Header.Del(c.Header)
	require.Contains(t, want, c.refused(t, r, c.register(secret)))
	r.Header.Set(c.Header, "")
	require.Contains(t, want, c.refused(t, r, c.register(secret)))
}

func (c Case) flipped(t *testing.T) {
	good := c.signed(secret)
	signers := c.register(secret)
	each := func(b []byte, try func(changed string)) {
		for i := range b {
			for bit := range 8 {
				changed := bytes.Clone(b)
				changed[i] ^= 1 << bit
				try(string(changed))
			}
		}
	}
	each([]byte(good.Header.Get(c.Header)), func(changed string) {
		r := *good
		r.Header = good.Header.Clone()
		r.Header.Set(c.Header, changed)
		c.refused(t, &r, signers)
	})
	if c.SignsBody {
		each(good.Body, func(changed string) {
			r := *good
			r.Body = []byte(changed)
			c.refused(t, &r, signers)
		})
	}
	if c.SignsURI {
		each([]byte(good.URI), func(changed string) {
			r := *good
			r.URI = changed
			c.refused(t, &r, signers)
		})
	}
}

func (c Case) stranger(t *testing.T) {
	r := c.signed(secret)
	want := fault.Unregistered
	if c.Scheme == Bearer {
		want = fault.Unverified // a key names nobody: it is one that is registered, or wrong
	}
	require.Equal(t, want, c.refused(t, r, Nobody(provider.Unknown)))
	require.Equal(t, fault.Unavailable, c.refused(t, r, Nobody(provider.Unsure)))
}

func (c Case) emptySecret(t *testing.T) {
	switch c.Scheme {
	case Published:
		return // there is no secret
	case Bearer:
		for _, s := range []Signers{c.register(nil), c.register([]byte{}, nil)} {
			require.Equal(t, fault.Unavailable, c.refused(t, c.signed(secret), s))
			require.Equal(t, fault.Unverified, c.refused(t, c.signed(nil), s))
		}
		require.Equal(t, fault.Unverified, c.refused(t, c.signed(secret), c.register()))
	default:
		c.emptyMAC(t)
	}
	// Beside a good one it is passed over, and still opens nothing.
	both := c.register(nil, secret)
	_, err := c.Verifier.Verify(t.Context(), c.signed(secret), both)
	require.NoError(t, err)
	require.Equal(t, fault.Unverified, c.refused(t, c.signed(nil), both))
}

func (c Case) emptyMAC(t *testing.T) {
	for _, s := range []Signers{c.register(), c.register(nil), c.register([]byte{}, nil)} {
		for _, with := range [][]byte{nil, secret} {
			require.Equal(t, fault.Unavailable, c.refused(t, c.signed(with), s))
		}
	}
}

func (c Case) concurrent(t *testing.T) {
	r, s := c.signed(secret), c.register(secret)
	results := make(chan error)
	const callers = 8
	for range callers {
		go func() {
			_, err := c.Verifier.Verify(t.Context(), r, s)
			results <- err
		}()
	}
	for range callers {
		require.NoError(t, <-results)
	}
}

// raw returns the genuine request as ingest would keep it.
func (c Case) raw(t *testing.T) *events.Raw {
	t.Helper()
	r := c.signed(secret)
	v, err := c.Verifier.Verify(t.Context(), r, c.register(secret))
	require.NoError(t, err)
	return &events.Raw{
		Receipt: events.NewReceiptID(), Provider: c.Verifier.Provider(), Kind: r.Kind, Signer: v.Signer, Key: v.Key,
		Method: r.Method, URI: r.URI, Headers: v.Headers, Body: r.Body, ReceivedAt: r.At,
	}
}

func (c Case) parse(t *testing.T) {
	require.Equal(t, c.Verifier.Provider(), c.Parser.Provider())
	raw := c.raw(t)
	first, err := c.Parser.Parse(raw)
	require.NoError(t, err)
	require.Contains(t, string(first.EventID), string(raw.Provider)+"/"+raw.Signer+"/", "nobody can spend another's id")
	require.Equal(t, 1, bodies(first), "exactly one body")
	if first.Billing == nil {
		require.Equal(t, raw.Signer, first.Evidence.Signer)
		require.Equal(t, raw.Provider, first.Evidence.Provider)
	}
	// A repeat is received later, under another receipt, and is the same event.
	raw.Receipt, raw.ReceivedAt = events.NewReceiptID(), raw.ReceivedAt.Add(24*60*60*1e9)
	again, err := c.Parser.Parse(raw)
	require.NoError(t, err)
	require.Equal(t, first.EventID, again.EventID)
	// As is a record that went through Kafka.
	rec := raw.Record()
	decoded, err := events.DecodeRaw(&rec)
	require.NoError(t, err)
	again, err = c.Parser.Parse(&decoded)
	require.NoError(t, err)
	require.Equal(t, first.EventID, again.EventID)
}

func (c Case) damage(t *testing.T) {
	raw := c.raw(t)
	for i := range raw.Body {
		cut, flip := *raw, *raw
		cut.Body = raw.Body[:i]
		c.sound(t, &cut)
		flip.Body = bytes.Clone(raw.Body)
		flip.Body[i] ^= 0xff
		c.sound(t, &flip)
	}
	for i := range raw.URI {
		cut := *raw
		cut.URI = raw.URI[:i]
		c.sound(t, &cut)
	}
	odd := *raw
	odd.Kind = "nothing.known"
	_, err := c.Parser.Parse(&odd)
	require.Equal(t, fault.Invalid, fault.ClassOf(err))
}

// sound requires that a parser either reads a request or calls it invalid.
func (c Case) sound(t *testing.T, raw *events.Raw) {
	t.Helper()
	p, err := c.Parser.Parse(raw)
	Sound(t, p, err)
}

var constant = regexp.MustCompile(`^[a-z][a-z0-9_]{2,40}$`)

// Sound requires of the result of any Parse, whatever the input, what the
// contract promises. It is for fuzz targets, too.
func Sound(t testing.TB, p provider.Parsed, err error) {
	t.Helper()
	if err == nil {
		require.NotEmpty(t, p.EventID)
		require.Equal(t, 1, bodies(p), "exactly one body, or a word for why there is none")
		if p.Ignored != "" {
			require.Regexp(t, constant, p.Ignored, "it is a label")
		}
		if c := p.Confirm; c != nil {
			require.NotEmpty(t, p.Ignored, "what is to be done stands beside nothing that is applied")
			require.Equal(t, p.EventID, c.EventID)
			require.NotEmpty(t, c.TopicARN)
			require.NotEmpty(t, c.Token)
		}
		return
	}
	require.Contains(t, []fault.Class{fault.Invalid, fault.Forbidden}, fault.ClassOf(err))
	require.Regexp(t, constant, err.Error(), "a reason is a constant and nothing else")
	require.Zero(t, bodies(p))
	require.Nil(t, p.Confirm)
}

func bodies(p provider.Parsed) (n int) {
	for _, there := range []bool{p.Message != nil, p.Call != nil, p.Billing != nil, p.Ignored != ""} {
		if there {
			n++
		}
	}
	return n
}

func (c Case) reasons(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range c.Verifier.Reasons() {
		require.Regexp(t, constant, r)
		require.False(t, seen[r], "reason %s is listed twice", r)
		seen[r] = true
	}
	require.NotEmpty(t, seen)
	for _, r := range c.Parser.Ignores() {
		require.Regexp(t, constant, r)
	}
}
