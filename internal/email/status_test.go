package email_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"waybill/internal/email"
	"waybill/internal/errorcode"
	"waybill/internal/testkit"
)

// The bits lie in the database: this list may only grow.
func TestBitsAreAPromise(t *testing.T) {
	t.Parallel()
	want := map[string]int{
		"intended": 0, "sent": 1, "delayed": 2, "bounced_transient": 3, "delivered": 4, "bounced_permanent": 5,
		"rejected": 6, "rendering_failed": 7,
	}
	got := map[string]int{}
	for _, s := range email.Statuses() {
		got[s.Name] = s.Bit
		require.Equal(t, s.Name, email.BitName(s.Bit))
	}
	require.Empty(t, cmp.Diff(want, got))
	require.Empty(t, email.BitName(62))
}

func TestStatusesStandInTheOrderOfTheirRanks(t *testing.T) {
	t.Parallel()
	order := []string{
		"intended", "sent", "delayed", "bounced_transient", "delivered", "bounced_permanent", "rejected", "rendering_failed",
	}
	all := email.Statuses()
	require.Len(t, all, len(order))
	terminal := map[string]bool{
		"bounced_transient": true, "delivered": true, "bounced_permanent": true, "rejected": true, "rendering_failed": true,
	}
	for i, s := range all {
		require.Equal(t, order[i], s.Name)
		require.Equal(t, i, s.Rank)
		require.Equal(t, terminal[s.Name], s.Terminal, s.Name)
		require.Equal(t, s.Terminal, email.Terminal(s.Name))
		require.Equal(t, s.Name == "rejected" || s.Name == "rendering_failed", s.Whole, s.Name)
		found, ok := email.Lookup(s.Name)
		require.True(t, ok)
		require.Equal(t, s, found)
	}
	all[0].Name = "changed"
	require.Equal(t, "intended", email.Statuses()[0].Name, "the table is not the caller's")
}

func TestNamesAreExact(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "Delivered", " sent", "accepted", "failed", "unknown"} {
		_, ok := email.Lookup(name)
		require.False(t, ok, "%q", name)
		require.False(t, email.Terminal(name), "%q", name)
	}
}

func TestErrorClass(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"": "", "5.1.1": "invalid_address", "4.1.1": "invalid_address", "5.1.10": "invalid_address", "no_email": "invalid_address",
		"5.7.17": "invalid_address", "5.2.2": "unreachable", "4.4.1": "unreachable", "4.4.7": "unreachable",
		"mailbox_full": "unreachable", "5.7.1": "blocked", "5.7.606": "blocked", "5.7.0": "blocked", "suppressed": "blocked",
		"on_account_suppression_list": "blocked", "unsubscribed_recipient": "opted_out", "4.3.0": "carrier",
		"internal_failure": "carrier", "5.3.4": "content", "5.6.0": "content", "attachment_rejected": "content",
		"bad_content": "content", "4.7.28": "rate", "sending_deferral": "rate",
		"5.0.0": "unknown", "5.1.0": "unknown", "5.5.0": "unknown", "2.1.1": "unknown", "2.7.1": "unknown", "x.1.1": "unknown",
		"x.7.*": "unknown", "5.7.*": "unknown", "5.1.1 ": "unknown", "5.1.01": "unknown", "5.7.01": "unknown", "5.7.1000": "unknown",
		"5.7": "unknown", "5.7.1.1": "unknown", "15.1.1": "unknown", "general": "unknown", "NoEmail": "unknown",
	} {
		require.Equal(t, want, email.ErrorClass(code), "%q", code)
	}
}

func TestEveryCodeOfTheTableHasItsClass(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range email.Codes() {
		require.False(t, seen[c.Code], c.Code)
		seen[c.Code] = true
		require.NotEmpty(t, c.Meaning)
		require.NotEqual(t, errorcode.Unknown, c.Class)
		for _, code := range spelled(c.Code) {
			require.Equal(t, c.Class, email.ErrorClass(code), code)
		}
	}
}

// spelled returns codes that a row of the table stands for.
func spelled(code string) []string {
	if code[0] != 'x' || code[1] != '.' {
		return []string{code}
	}
	if code[len(code)-1] == '*' {
		code = code[:len(code)-1] + "999"
	}
	return []string{"4" + code[1:], "5" + code[1:]}
}

func TestDiagram(t *testing.T) {
	t.Parallel()
	testkit.Golden(t, "states.mmd", []byte(email.Diagram()))
}
