package tenantmap

import (
	"regexp"
	"slices"
	"strings"
)

// quirk is a country in which a number is written with and without one digit
// and is the same number either way: country, area, the digit or nothing, rest.
// Area and rest are regular expressions, read by PostgreSQL as well, and match
// only numbers for which that holds.
type quirk struct {
	country, area, digit, rest string
	kept                       bool // the one spelling has the digit
}

// quirks are the countries. The SQL function number_spellings holds the same
// rows (migration 0017), and a test the two together; docs/decisions/0037 says
// how each spelling was chosen.
var quirks = []quirk{
	// Mexico: a mobile was +52 1 and ten digits from abroad until 2019, and is
	// so on WhatsApp still. No area code begins with 1.
	{country: "+52", digit: "1", rest: `[2-9][0-9]{9}`},
	// Argentina: a mobile is +54 9, area and number from abroad and on WhatsApp;
	// the same area and number without the 9 are nobody else's.
	{country: "+54", digit: "9", rest: `11[0-9]{8}|[23][0-9]{9}`},
	// Brazil: mobiles of eight digits got a 9 in front from 2012 to 2016, and many
	// have none on WhatsApp. Eight digits from 2 to 5 are landlines; from 6 to 9
	// nobody has a number any more.
	{country: "+55", area: `[1-9][1-9]`, digit: "9", rest: `[6-9][0-9]{7}`, kept: true},
}

// written are the quirks' regular expressions of what stands behind the country:
// area, the digit if it is there, the rest.
var written = func() []*regexp.Regexp {
	out := make([]*regexp.Regexp, len(quirks))
	for i, q := range quirks {
		out[i] = regexp.MustCompile(`^(` + q.area + `)(` + q.digit + `?)(` + q.rest + `)$`)
	}
	return out
}()

// both returns the one spelling of a number in E.164, and the other one if it
// has two.
func both(number string) (one, other string) {
	for i, q := range quirks {
		rest, ok := strings.CutPrefix(number, q.country)
		if !ok {
			continue
		}
		if m := written[i].FindStringSubmatch(rest); m != nil {
			with, without := q.country+m[1]+q.digit+m[3], q.country+m[1]+m[3]
			if q.kept {
				return with, without
			}
			return without, with
		}
	}
	return number, ""
}

// Spellings returns every spelling under which somebody's address may be on
// record: as it is given, as [NormaliseSender] writes it, and as the country
// writes it otherwise. An e-mail address has only its own.
//
// Rows about people hold an address as the provider or sender wrote it. Keys of
// the map hold the one spelling; whoever looks for a person in rows asks for all.
func Spellings(address string) []string {
	one := NormaliseSender(address)
	prefix, number := "", one
	if rest, ok := strings.CutPrefix(one, whatsApp); ok {
		prefix, number = whatsApp, rest
	}
	out := []string{address, one}
	if _, other := both(number); other != "" {
		out = append(out, prefix+other)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
