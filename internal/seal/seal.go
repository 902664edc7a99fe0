// Package seal keeps secrets unreadable wherever they rest: AES-256-GCM under a
// key that only the processes which need the secret have (WAYBILL_SECRET_KEY). A
// record names its key, so that keys can be changed while all of it runs.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Errors of this package. None of them holds any part of a key or secret.
var (
	ErrKey     = errors.New("not a key: want 32 bytes in base64, for example from `openssl rand -base64 32`")
	ErrUnknown = errors.New("sealed under another key")
	ErrDamaged = errors.New("sealed secret is damaged or belongs to another account")
)

const (
	version = 1
	idLen   = 4
	keyLen  = 32
)

// Key seals and opens. While keys are changed it is several in one: the first
// seals, and each opens what it sealed. It never prints, and is safe for
// concurrent use.
type Key struct {
	id    [idLen]byte
	aead  cipher.AEAD
	older []*Key // they open alone
}

// ParseKey reads a key in standard base64, or several with commas between.
func ParseKey(s string) (*Key, error) {
	first, rest, several := strings.Cut(s, ",")
	k, err := parseOne(strings.TrimSpace(first))
	if err != nil {
		return nil, err
	}
	for several {
		first, rest, several = strings.Cut(rest, ",")
		older, err := parseOne(strings.TrimSpace(first))
		if err != nil {
			return nil, err
		}
		k.older = append(k.older, older)
	}
	return k, nil
}

func parseOne(s string) (*Key, error) {
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(raw) != keyLen {
		return nil, ErrKey
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return nil, fmt.Errorf("making cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("making cipher: %w", err)
	}
	k := &Key{aead: aead}
	sum := sha256.Sum256(append([]byte("waybill key id\x00"), raw...))
	copy(k.id[:], sum[:])
	return k, nil
}

// Format hides the key from every verb of fmt.
func (k *Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "***") }

// NewKey returns a fresh key in standard base64.
func NewKey() string {
	b := make([]byte, keyLen)
	_, _ = rand.Read(b) // never fails: crypto/rand aborts the program instead
	return base64.StdEncoding.EncodeToString(b)
}

// Seal returns version, key id, nonce and ciphertext. The name binds the secret
// to its place: it opens under the same name only.
func (k *Key) Seal(secret []byte, name string) []byte {
	out := make([]byte, 0, 1+idLen+k.aead.NonceSize()+len(secret)+k.aead.Overhead())
	out = append(out, version)
	out = append(out, k.id[:]...)
	nonce := make([]byte, k.aead.NonceSize())
	_, _ = rand.Read(nonce)
	out = append(out, nonce...)
	return k.aead.Seal(out, nonce, secret, []byte(name))
}

// Sealed tells whether a record names the key that seals now. It does not
// open it.
func (k *Key) Sealed(record []byte) bool {
	return len(record) > idLen && record[0] == version && [idLen]byte(record[1:1+idLen]) == k.id
}

// Open returns the secret that was sealed under one of the keys and the same
// name.
func (k *Key) Open(sealed []byte, name string) ([]byte, error) {
	n := k.aead.NonceSize()
	if len(sealed) < 1+idLen+n || sealed[0] != version {
		return nil, ErrDamaged
	}
	for _, older := range k.older {
		if older.Sealed(sealed) {
			return older.Open(sealed, name)
		}
	}
	if !k.Sealed(sealed) {
		return nil, ErrUnknown
	}
	secret, err := k.aead.Open(nil, sealed[1+idLen:1+idLen+n], sealed[1+idLen+n:], []byte(name))
	if err != nil {
		return nil, ErrDamaged
	}
	return secret, nil
}
