package sns

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"waybill/internal/fault"
)

// The headers that are read. They are not signed: none of them allows a thing.
const (
	headerType        = "X-Amz-Sns-Message-Type"
	headerRawDelivery = "X-Amz-Sns-Rawdelivery"
)

// Options of a Verifier.
type Options struct {
	RefuseSHA1 bool             // take SignatureVersion 2 alone; SNS signs with 1 until a topic is told otherwise
	MaxAge     time.Duration    // of an envelope's Timestamp; 0 = any
	Now        func() time.Time // nil = [time.Now]
	Fetch      Fetch            // nil = [FetchPublic]
	Pinned     Pinned           // if not nil, nothing else is used and nothing is fetched
}

// Verifier tells genuine envelopes from others. It is safe for concurrent use.
type Verifier struct {
	options Options
	certs   *certificates
}

// New returns a Verifier.
func New(o Options) *Verifier {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Fetch == nil {
		o.Fetch = FetchPublic()
	}
	return &Verifier{options: o, certs: newCertificates(o.Fetch, o.Now)}
}

// Verify returns what a genuine request to us says, or a fault with one of
// [Reasons]: Invalid (not an envelope), Unverified (false, stale or without
// a signature), Unregistered (not one of our topics; what it says was then not
// verified) or Unavailable (cannot tell now). It waits for a certificate at
// most a few seconds, and no longer than ctx.
func (v *Verifier) Verify(ctx context.Context, header http.Header, body []byte, topics Topics) (Message, error) {
	for _, raw := range header.Values(headerRawDelivery) {
		if !strings.EqualFold(raw, "false") {
			return Message{}, fault.New(fault.Unverified, reasonRawDelivery)
		}
	}
	e, ok := decode(body)
	if !ok {
		return Message{}, fault.New(fault.Invalid, reasonMalformedEnvelope)
	}
	if types := header.Values(headerType); len(types) != 1 || types[0] != e.kind.text {
		return Message{}, fault.New(fault.Invalid, reasonTypeMismatch)
	}
	switch registered, certain := topics(e.topicARN.text); {
	case registered:
	case certain:
		return Message{}, fault.New(fault.Unregistered, reasonUnknownTopic)
	default:
		return Message{}, fault.New(fault.Unavailable, reasonUnsureTopic)
	}
	if err := v.signed(ctx, &e); err != nil {
		return Message{}, err
	}
	// The signature came first: stale then means a genuine request that is
	// late, or a clock that is wrong.
	if v.options.MaxAge > 0 && v.options.Now().Sub(e.at) > v.options.MaxAge {
		return Message{}, fault.New(fault.Unverified, reasonStale)
	}
	return e.said(), nil
}

// maxSignature bounds a signature, in bytes: RSA keys of 4096 bits.
const maxSignature = 512

// signed checks the signature. What costs nothing is checked before a
// certificate is fetched.
func (v *Verifier) signed(ctx context.Context, e *envelope) error {
	if e.version.text != "2" && (e.version.text != "1" || v.options.RefuseSHA1) {
		return fault.New(fault.Unverified, reasonUnsupportedVersion)
	}
	if e.signature.text == "" {
		return fault.New(fault.Unverified, reasonMissingSignature)
	}
	file, ok := e.topic.certificateFile(e.certificateURL.text)
	if !ok {
		return fault.New(fault.Unverified, reasonBadCertificateURL)
	}
	var buffer [maxSignature + 2]byte // and padding
	if base64.StdEncoding.DecodedLen(len(e.signature.text)) > len(buffer) {
		return fault.New(fault.Unverified, reasonBadSignature)
	}
	n, err := base64.StdEncoding.Strict().Decode(buffer[:], []byte(e.signature.text))
	if err != nil {
		return fault.New(fault.Unverified, reasonBadSignature)
	}
	cert, err := v.certificate(ctx, e, file)
	if err != nil {
		return err
	}
	if err := cert.vouches(e.topic, v.options.Now()); err != nil {
		return err
	}
	if check(cert.key, e.version.text, e.canonical(), buffer[:n]) != nil {
		return fault.New(fault.Unverified, reasonBadSignature)
	}
	return nil
}

// certificate returns the one that the envelope names.
func (v *Verifier) certificate(ctx context.Context, e *envelope, file string) (*certificate, error) {
	if v.options.Pinned == nil {
		return v.certs.get(ctx, e.certificateURL.text)
	}
	if cert, ok := v.options.Pinned[file]; ok {
		return cert, nil
	}
	return nil, fault.New(fault.Unavailable, reasonCertificateNotPinned)
}

// check is RSA PKCS #1 v1.5, over SHA-1 in version 1 and SHA-256 in version 2.
func check(key *rsa.PublicKey, version string, signed, signature []byte) error {
	if version == "1" {
		sum := sha1.Sum(signed)
		return rsa.VerifyPKCS1v15(key, crypto.SHA1, sum[:], signature)
	}
	sum := sha256.Sum256(signed)
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature)
}
