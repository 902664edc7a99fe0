package events_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"waybill/internal/events"
)

// Ids and keys that are derived decide where a row and its events lie. They
// are promises: a changed value would split a message in two.
func TestDerivedValuesAreFixed(t *testing.T) {
	t.Parallel()
	require.Equal(t, events.RowID("731e6344-bb4d-54ab-bc4c-c49983a2f768"), events.DeriveRowID(org, events.Twilio, "SM1"))
	require.Equal(t, "0b5f2484-a36a-5851-a039-ba47a8fda23d", events.DeriveID("status", "a", "b"))
	status := messageStatus()
	require.Equal(t, "02f34603-9ecc-5940-9cc0-45f30b5c8c09", status.EventID())
	require.Equal(t, string(org)+"/2", string(events.DomainKey(org, row)))
	require.Equal(t, string(org)+"/"+string(row), string(events.StatusKey(org, string(row))))
	for id, lane := range map[events.RowID]int{
		"":                                     1,
		"a":                                    0,
		"b":                                    1,
		"7d4f3a52-90d1-4f0e-8a8c-2f1f5b1c9d10": 2,
		"00000000-0000-0000-0000-000000000000": 1,
		"0b8f1c9e-6d52-4a57-9a53-0f6f3c1b2a01": 0,
	} {
		require.Equal(t, lane, events.Lane(id), "%q", id)
	}
}

func TestDerivedRowsDiffer(t *testing.T) {
	t.Parallel()
	base := events.DeriveRowID(org, events.Twilio, "SM1")
	require.NotEqual(t, base, events.DeriveRowID("0b8f1c9e-6d52-4a57-9a53-0f6f3c1b2a02", events.Twilio, "SM1"))
	require.NotEqual(t, base, events.DeriveRowID(org, events.SES, "SM1"))
	require.NotEqual(t, base, events.DeriveRowID(org, events.Twilio, "SM2"))
	require.NotEqual(t, events.DeriveID("a", "bc"), events.DeriveID("ab", "c"), "parts do not run together")
}

func TestLanesAreEvenlyUsed(t *testing.T) {
	t.Parallel()
	var count [4]int
	const n = 4000
	for range n {
		count[events.Lane(events.RowID(events.NewReceiptID()))]++
	}
	for lane, c := range count {
		require.InDelta(t, n/4, c, n/10, "lane %d", lane)
	}
}

func TestNewEventID(t *testing.T) {
	t.Parallel()
	got := events.NewEventID(events.Twilio, "AC1", events.KindMessageStatus, "SM1", "undelivered", "30003")
	require.Equal(t, events.EventID("twilio/AC1/message.status/SM1:undelivered:30003"), got)
	require.NotEqual(t, got, events.NewEventID(events.Twilio, "AC2", events.KindMessageStatus, "SM1", "undelivered", "30003"),
		"another account cannot spend this id")
}

func TestParseUUID(t *testing.T) {
	t.Parallel()
	got, err := events.ParseOrgID(strings.ToUpper(string(org)))
	require.NoError(t, err)
	require.Equal(t, org, got)
	for _, bad := range []string{
		"", "x", string(org)[:35], string(org) + "0", "{" + string(org) + "}", "urn:uuid:" + string(org),
		strings.ReplaceAll(string(org), "-", ""), strings.Replace(string(org), "0", "g", 1), strings.Replace(string(org), "-", "0", 1),
	} {
		_, err := events.ParseUUID(bad)
		require.ErrorIs(t, err, events.ErrBadUUID, "%q", bad)
	}
}

func TestReceiptIDsAreSortedByTime(t *testing.T) {
	t.Parallel()
	last := events.NewReceiptID()
	for range 1000 {
		next := events.NewReceiptID()
		require.Greater(t, next, last)
		last = next
	}
}

func TestMillis(t *testing.T) {
	t.Parallel()
	in := time.Date(2026, 1, 2, 3, 4, 5, 678_999_999, time.FixedZone("", 7200))
	require.Equal(t, time.Date(2026, 1, 2, 1, 4, 5, 678_000_000, time.UTC), events.Millis(in))
}

func TestText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "plain": "plain", "grüß 👍": "grüß 👍", "a\x00b": "a\uFFFDb", "a\xffb": "a\uFFFDb", "\x00\xff": "\uFFFD\uFFFD",
		"\xed\xa0\x80": "\uFFFD", // half of a surrogate pair
	} {
		require.Equal(t, want, events.Text(in), "%q", in)
	}
	rapid.Check(t, func(t *rapid.T) {
		in := string(rapid.SliceOf(rapid.Byte()).Draw(t, "in"))
		out := events.Text(in)
		require.True(t, utf8.ValidString(out) && !strings.Contains(out, "\x00"))
		require.Equal(t, out, events.Text(out))
		if utf8.ValidString(in) && !strings.Contains(in, "\x00") {
			require.Equal(t, in, out)
		}
	})
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	for outcome, final := range map[events.Outcome]bool{
		events.Applied: true, events.Stale: true, events.Ignored: true,
		events.Parked: false, events.Quarantined: false, events.Dead: false, "": false,
	} {
		require.Equal(t, final, outcome.Final(), "%q", outcome)
	}
}

func TestTopics(t *testing.T) {
	t.Parallel()
	for profile, partitions := range map[events.Profile]int{events.Production: 24, events.Embedded: 3} {
		specs := events.Topics(profile)
		require.Len(t, specs, 14, "every topic of the design: counts are fixed at birth")
		seen := map[string]bool{}
		for _, s := range specs {
			require.Regexp(t, `^waybill\.[a-z.]+\.v1$`, s.Name)
			require.False(t, seen[s.Name], s.Name)
			seen[s.Name] = true
			require.NotEqual(t, s.Compacted, s.Retention > 0, "%s is kept either by key or for a time", s.Name)
			require.GreaterOrEqual(t, s.MaxMessage, 2_000_000, s.Name)
			if s.Name == events.TopicConfig {
				require.Equal(t, 1, s.Partitions)
			} else {
				require.Equal(t, partitions, s.Partitions, s.Name)
			}
		}
	}
	for _, p := range []events.Provider{events.Twilio, events.SES, events.Connect, events.Stripe} {
		require.Equal(t, "waybill.raw."+string(p)+".v1", events.RawTopic(p))
	}
	require.Empty(t, events.RawTopic("nobody"))
}
