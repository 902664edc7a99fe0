package simulate

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Certificate is what stands in for Amazon's signing certificate: a key, and the
// name under which its certificate is pinned. It is safe for concurrent use.
type Certificate struct {
	File string // last path element of SigningCertURL
	key  *rsa.PrivateKey
}

// ErrNoCertificate is returned for a folder in which no pinned certificate has
// its private key beside it.
var ErrNoCertificate = errors.New("no pinned SNS certificate with its private key beside it")

// ErrOthersCertificate is returned for a folder in which no certificate is made.
var ErrOthersCertificate = errors.New("it has certificates without their keys, which may be Amazon's: want another folder")

const (
	certificatePrefix = "SimpleNotificationService-"
	certificateExt    = ".pem"
	keyExt            = ".key" // the certificate's file name with another ending
	certificateYears  = 10     // what is pinned is trusted whatever its dates are
	keyBits           = 2048   // as Amazon's
)

// KeepCertificate returns a folder's certificate, or makes one: a file to be
// pinned with WAYBILL_SNS_CERT_DIR, and its key, readable by its owner alone. It
// makes none beside others' certificates: where Amazon's are pinned, whoever has
// the key of ours could sign as SNS for topics that are real.
func KeepCertificate(dir string) (*Certificate, error) {
	c, err := ReadCertificate(dir)
	if !errors.Is(err, ErrNoCertificate) {
		return c, err
	}
	others, err := filepath.Glob(filepath.Join(dir, "*"+certificateExt))
	if err != nil {
		return nil, fmt.Errorf("listing certificates: %w", err)
	}
	if len(others) > 0 { // none of them has its key
		return nil, ErrOthersCertificate
	}
	if c, err = newCertificate(keyBits); err != nil {
		return nil, err
	}
	if err := c.keep(dir); err != nil {
		return nil, fmt.Errorf("keeping an SNS certificate: %w", err)
	}
	return c, nil
}

// ReadCertificate returns the certificate of a folder that has its key beside
// it, or [ErrNoCertificate]; "" is no folder.
func ReadCertificate(dir string) (*Certificate, error) {
	if dir == "" {
		return nil, ErrNoCertificate
	}
	files, err := filepath.Glob(filepath.Join(dir, certificatePrefix+"*"+certificateExt))
	if err != nil {
		return nil, fmt.Errorf("listing SNS certificates: %w", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(strings.TrimSuffix(file, certificateExt) + keyExt)
		if errors.Is(err, fs.ErrNotExist) {
			continue // Amazon's own may be pinned beside ours
		}
		if err != nil {
			return nil, fmt.Errorf("reading the key of an SNS certificate: %w", err)
		}
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, fmt.Errorf("the key of %s is not PEM", filepath.Base(file))
		}
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		key, ok := parsed.(*rsa.PrivateKey)
		if err != nil || !ok {
			return nil, fmt.Errorf("the key of %s is not an RSA key in PKCS #8", filepath.Base(file))
		}
		return &Certificate{File: filepath.Base(file), key: key}, nil
	}
	return nil, ErrNoCertificate
}

// newCertificate makes up a key, and a name for its certificate.
func newCertificate(bits int) (*Certificate, error) {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	return &Certificate{File: certificatePrefix + hex.EncodeToString(id) + certificateExt, key: key}, nil
}

// keep writes the pair, the key first: a certificate that is there can sign.
func (c *Certificate) keep(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	key, err := x509.MarshalPKCS8PrivateKey(c.key)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, c.File)
	err = os.WriteFile(strings.TrimSuffix(file, certificateExt)+keyExt, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600)
	if err != nil {
		return err
	}
	text, err := c.leaf()
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

// leaf returns the certificate's PEM text: it says of itself that it is SNS's.
func (c *Certificate) leaf() ([]byte, error) {
	now := time.Now()
	template := x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "sns.amazonaws.com"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(certificateYears, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, c.key.Public(), c.key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
