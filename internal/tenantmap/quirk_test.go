package tenantmap_test

import (
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"waybill/internal/tenantmap"
)

func TestOneSpellingOfANumberInCountriesWithTwo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"Mexico, as on WhatsApp", "+5215512345678", "+525512345678"},
		{"Mexico, as by SMS", "+525512345678", "+525512345678"},
		{"Mexico, written out", "+52 1 55 1234-5678", "+525512345678"},
		{"Mexico, ten digits that begin with 1", "+521551234567", "+521551234567"},
		{"Mexico, a mobile digit before what no area begins with", "+5211551234567", "+5211551234567"},
		{"Mexico, a digit too many", "+52155123456789", "+52155123456789"},

		{"Argentina, as on WhatsApp", "+5491123456789", "+541123456789"},
		{"Argentina, without the mobile digit", "+541123456789", "+541123456789"},
		{"Argentina, as dialled inside", "+54 11 15 2345-6789", "+541123456789"},
		{"Argentina, the same in one", "+54111523456789", "+541123456789"},
		{"Argentina, an area of three digits", "+54 221 15 512-3456", "+542215123456"},
		{"Argentina, an area of four digits", "+542966 15 412345", "+542966412345"},
		{"Argentina, a landline with 15 inside", "+541115234567", "+541115234567"},
		{"Argentina, free of charge", "+548001234567", "+548001234567"},
		{"Argentina, too short for a mobile", "+549112345678", "+549112345678"},

		{"Brazil, as on WhatsApp outside of São Paulo", "+554187654321", "+5541987654321"},
		{"Brazil, as dialled", "+5541987654321", "+5541987654321"},
		{"Brazil, written out", "+55 (11) 98765-4321", "+5511987654321"},
		{"Brazil, a landline", "+551123456789", "+551123456789"},
		{"Brazil, the highest landline", "+551159999999", "+551159999999"},
		{"Brazil, the lowest mobile of eight digits", "+551160000000", "+5511960000000"},
		{"Brazil, a mobile whose rest looks like a landline", "+5541923456789", "+5541923456789"},
		{"Brazil, no area has a 0", "+551087654321", "+551087654321"},
		{"Brazil, free of charge", "+558001234567", "+558001234567"},

		{"another country, the same digits", "+5315512345678", "+5315512345678"},
		{"without a +", "5215512345678", "5215512345678"},
		{"dialled abroad", "005215512345678", "005215512345678"},
		{"a SIP address", "sip:+5215512345678@example.com", "sip:+5215512345678@example.com"},
	} {
		require.Equal(t, c.want, tenantmap.NormaliseSender(c.in), c.name)
		require.Equal(t, "whatsapp:"+c.want, tenantmap.NormaliseSender("whatsapp:"+c.in), c.name)
	}
}

func TestSpellings(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"+5215512345678":          "+5215512345678 +525512345678",
		"+525512345678":           "+5215512345678 +525512345678",
		"+541123456789":           "+541123456789 +5491123456789",
		"+554187654321":           "+554187654321 +5541987654321",
		"whatsapp:+5541987654321": "whatsapp:+554187654321 whatsapp:+5541987654321",
		"+551123456789":           "+551123456789",
		"+15550100001":            "+15550100001",
		"Ada@example.com":         "Ada@example.com",
		"12345":                   "12345",
	} {
		require.Equal(t, want, strings.Join(tenantmap.Spellings(in), " "), in)
	}
	require.Equal(t, []string{"+1 202 555 0177", "+12025550177"}, tenantmap.Spellings("+1 202 555 0177"), "as a sender wrote it, and as the key is")
}

// numbers draws what could be a number, often of a country with two spellings.
func numbers(t *rapid.T, name string) string {
	country := rapid.SampledFrom([]string{"", "52", "521", "54", "549", "5411", "5491115", "55", "5541", "55119", "1", "44", "39"}).Draw(t, name+" country")
	return "+" + country + rapid.StringMatching(`[0-9]{4,12}`).Draw(t, name)
}

// Two numbers get one key only where a country is known to write one number
// both ways; what the key's number may be written as holds both.
func TestNoTwoNumbersGetOneKey(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := numbers(t, "a")
		b := numbers(t, "b")
		if rapid.Bool().Draw(t, "close") { // one digit more, less or other
			at := rapid.IntRange(1, len(a)-1).Draw(t, "at")
			b = a[:at] + rapid.SampledFrom([]string{"", "1", "9", "15"}).Draw(t, "digit") + a[at+rapid.IntRange(0, 1).Draw(t, "skip"):]
		}
		key := tenantmap.NormaliseSender(a)
		require.Equal(t, key, tenantmap.NormaliseSender(key), "normalised once is normalised for good")
		if a == b || key != tenantmap.NormaliseSender(b) {
			return
		}
		if len(a) > len(b) {
			a, b = b, a
		}
		switch {
		case strings.HasPrefix(b, "+521") && len(b) == 14:
			require.Equal(t, "+52"+b[4:], a)
		case strings.HasPrefix(b, "+549") && len(b) == 14:
			require.Equal(t, "+54"+b[4:], a)
		case strings.HasPrefix(b, "+55") && len(b) == 14:
			require.Equal(t, b[:5]+b[6:], a)
			require.Contains(t, "6789", b[6:7])
			require.EqualValues(t, '9', b[5])
		case strings.HasPrefix(b, "+54") && len(b) == 15: // 15 inside of Argentina
			require.Regexp(t, `^\+549?`+key[3:]+`$`, a)
			require.Contains(t, b, "15")
			return // nobody writes it so in a callback
		default:
			require.Fail(t, "two numbers, one key", "%s and %s", a, b)
		}
		require.Contains(t, tenantmap.Spellings(key), a)
		require.Contains(t, tenantmap.Spellings(key), b)
	})
}

// The library knows which numbers could be: none of them becomes one that
// could not, and a landline of Brazil or Mexico stays what it is.
func TestWhatCanBeDialledStaysSo(t *testing.T) {
	t.Parallel()
	valid := func(s string) (bool, phonenumbers.PhoneNumberType) {
		n, err := phonenumbers.Parse(s, "")
		return err == nil && phonenumbers.IsValidNumber(n), phonenumbers.GetNumberType(n)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := numbers(t, "n")
		ok, kind := valid(s)
		if !ok {
			return
		}
		key := tenantmap.NormaliseSender(s)
		still, _ := valid(key)
		require.True(t, still, "%s became %s", s, key)
		if kind == phonenumbers.FIXED_LINE || strings.HasPrefix(s, "+1") || strings.HasPrefix(s, "+44") {
			require.Equal(t, s, key)
		}
	})
}
