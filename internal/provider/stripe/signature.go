package stripe

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"

	"waybill/internal/fault"
)

// Bounds of a header. Stripe sends one value, two while a secret is rolled,
// and a decoy of another scheme on test events.
const (
	maxHeader = 4096 // bytes
	maxValues = 16
	maxDigits = 12 // of the time
)

// scheme is the one that counts. Others are ignored: v0 is a decoy.
const scheme = "v1"

// signature is what a Stripe-Signature header says.
type signature struct {
	time   string // as it is written, for that is what is signed
	at     int64  // unix seconds
	values [][sha256.Size]byte
}

// signatureOf reads the header: name=value pairs with commas between. A value
// that is not 64 lower-case hexadecimal digits is skipped; one signature has
// one spelling.
func signatureOf(h http.Header) (signature, error) {
	headers := h.Values(headerSignature)
	if len(headers) == 0 || headers[0] == "" {
		return signature{}, fault.New(fault.Unverified, reasonMissingSignature)
	}
	sig, ok := parseHeader(headers[0])
	if len(headers) > 1 || !ok {
		return signature{}, fault.New(fault.Unverified, reasonMalformedSignature)
	}
	if len(sig.values) == 0 {
		return signature{}, fault.New(fault.Unverified, reasonBadSignature)
	}
	return sig, nil
}

func parseHeader(header string) (sig signature, ok bool) {
	if len(header) > maxHeader {
		return sig, false
	}
	values := 0
	for pair := range strings.SplitSeq(header, ",") {
		name, value, found := strings.Cut(pair, "=")
		if !found || strings.Contains(value, "=") {
			return sig, false
		}
		switch name {
		case "t":
			if sig.time != "" {
				return sig, false
			}
			if sig.at, ok = seconds(value); !ok {
				return sig, false
			}
			sig.time = value
		case scheme:
			values++
			if mac, ok := decode(value); ok {
				sig.values = append(sig.values, mac)
			}
		}
	}
	return sig, sig.time != "" && values <= maxValues
}

// seconds reads a time: digits alone, no sign.
func seconds(s string) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || len(s) > maxDigits {
		return 0, false
	}
	return int64(n), true
}

// decode reads one value.
func decode(s string) (mac [sha256.Size]byte, ok bool) {
	if len(s) != hex.EncodedLen(sha256.Size) || strings.ContainsAny(s, "ABCDEF") {
		return mac, false
	}
	_, err := hex.Decode(mac[:], []byte(s))
	return mac, err == nil
}
