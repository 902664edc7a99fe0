package postgres_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"waybill/internal/operate"
	"waybill/internal/tenantmap"
	"waybill/internal/testkit"
)

// The spellings of a number stand twice, in Go and in SQL.
func TestSpellingsInSQLAreThoseInGo(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t).Pool(t, testkit.ReadOnly)
	numbers := rapid.Custom(func(t *rapid.T) string {
		prefix := rapid.SampledFrom([]string{"", "whatsapp:"}).Draw(t, "prefix")
		country := rapid.SampledFrom([]string{"52", "521", "5212", "54", "549", "5411", "54911", "542", "55", "5541", "55119", "554196", "1", "53"}).Draw(t, "country")
		return prefix + "+" + country + rapid.StringMatching(`[0-9]{6,11}`).Draw(t, "rest")
	})
	seen := map[int]int{}
	rapid.Check(t, func(rt *rapid.T) {
		given := rapid.SliceOfN(numbers, 50, 50).Draw(rt, "numbers")
		rows, err := db.Query(t.Context(), "SELECT n, number_spellings(n) FROM unnest($1::text[]) AS n", append(given, "", "ACME", "MG1", "Ada@example.com", "+52", "+5215512345678\n"))
		require.NoError(rt, err)
		defer rows.Close()
		for rows.Next() {
			var number string
			var got []string
			require.NoError(rt, rows.Scan(&number, &got))
			if number == "+5215512345678\n" { // not an address; Go trims it
				require.Equal(rt, []string{number}, got)
				continue
			}
			if len(number) == 15 && number[:3] == "+54" || len(number) == 24 && number[9:12] == "+54" {
				continue // as dialled inside of Argentina, which SQL leaves to Go
			}
			require.Equal(rt, tenantmap.Spellings(number), got, number)
			seen[len(got)]++
		}
		require.NoError(rt, rows.Err())
	})
	require.Greater(t, seen[2], 100, "numbers with two spellings were among them: %v", seen)
	require.Greater(t, seen[1], 100)
}

// A person who said STOP under one spelling of a number has said it under both,
// at a sender of ours in either spelling; what was said last holds.
func TestAnOptOutHoldsInEverySpelling(t *testing.T) {
	t.Parallel()
	a := newAviary(t)
	suppressed := func(sender, address string) (yes bool) {
		t.Helper()
		require.NoError(t, a.db.Pool(t, testkit.Operator).QueryRow(t.Context(), "SELECT suppressed($1, 'whatsapp', $2, $3)", a.orgA, sender, address).Scan(&yes))
		return yes
	}
	say := func(sender, address string, optedOut bool, second int) {
		a.exec(t, "INSERT INTO consents VALUES ($1, 'whatsapp', $2, $3, $4, $5::timestamptz + make_interval(secs => $6), $7)",
			a.orgA, sender, address, optedOut, noon, second, fmt.Sprint("e", second))
	}
	for _, pair := range [][2]string{
		{"whatsapp:+5215512345678", "whatsapp:+525512345678"},
		{"whatsapp:+5491123456789", "whatsapp:+541123456789"},
		{"whatsapp:+554187654321", "whatsapp:+5541987654321"},
	} {
		for turn := range 2 {
			sender := "whatsapp:" + ourNumber + fmt.Sprint(turn)
			said, asked := pair[turn], pair[1-turn]
			require.False(t, suppressed(sender, asked))
			say(sender, said, true, 1)
			require.True(t, suppressed(sender, asked))
			require.True(t, suppressed(sender, said))
			require.False(t, suppressed(ourNumber, asked), "another sender")
			say(sender, asked, false, 2)
			require.False(t, suppressed(sender, said), "what was said last holds")
		}
		say(pair[0], canaryNumber, true, 1)
		require.True(t, suppressed(pair[1], canaryNumber), "our own number in its other spelling")
	}
	// A landline of Brazil is not the mobile that has a 9 more.
	say("s", "+551123456789", true, 1)
	require.False(t, suppressed("s", "+5511923456789"))
}

// Whoever is erased under one spelling is erased under both, and what they
// opted out of stays so, whichever is asked about.
func TestErasingANumberErasesItsEverySpelling(t *testing.T) {
	t.Parallel()
	const wa, sms = "+5215587654321", "+525587654321"
	const ourWA, ourSMS = "whatsapp:+5215500000001", "whatsapp:+525500000001" // a sender that has two spellings too
	for _, customer := range []bool{true, false} {
		a := newAviary(t)
		id := uuid.NewString()
		a.exec(t, "INSERT INTO customers (org_id, id) VALUES ($1, $2)", a.orgA, id)
		send := a.sent(a.orgA, 1001)
		send.To, send.CustomerID = sms, id
		inbound := a.status(a.orgA, 1002, "received", "", 1)
		inbound.From, inbound.To, inbound.Direction = "whatsapp:"+wa, ourWA, "inbound"
		a.apply(t, send, inbound)
		a.exec(t, "INSERT INTO senders (id, org_id, kind, value, slot, valid) VALUES (gen_random_uuid(), $1, 'whatsapp', $2, int8range(NULL, NULL), tstzrange(NULL, NULL))",
			a.orgA, ourSMS)
		among := a.sent(a.orgA, 1004) // from one of ours to another, about the customer
		among.To, among.CustomerID = ourWA, id
		other := a.sent(a.orgA, 1005) // to somebody else
		other.From, other.To = ourWA, "+12025550100"
		a.apply(t, among, other)
		a.exec(t, "INSERT INTO consents VALUES ($1, 'whatsapp', 's', $2, true, now(), 'e')", a.orgA, "whatsapp:"+wa)
		a.exec(t, "INSERT INTO conversations VALUES ($1, $2, $3, now())", ourNumber, sms, a.orgA)
		a.hold(t, a.orgA, 1003, "whatsapp:"+wa)
		who := operate.Whose{Org: string(a.orgA), Address: wa}
		if customer {
			who = operate.Whose{Org: string(a.orgA), Customer: id}
		}
		done := a.erase(t, who, false)
		want := map[string]int64{"sms_messages": 2, "consents": 1, "conversations": 1, "held_events": 1}
		if customer {
			want["customers"] = 1
			want["sms_messages"] = 3 // what is theirs by id; not what our sender wrote to others
		}
		require.Equal(t, want, done.Rows)
		for _, d := range dump(t, a.owner) {
			require.NotContains(t, d.row, wa, d.table)
			require.NotContains(t, d.row, sms, d.table)
		}
		for _, number := range []string{"whatsapp:" + wa, "whatsapp:" + sms} {
			var still bool
			require.NoError(t, a.owner.QueryRow(t.Context(), "SELECT suppressed($1, 'whatsapp', 's', $2)", a.orgA, number).Scan(&still))
			require.True(t, still, number)
		}
	}
}
