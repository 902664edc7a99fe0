package postgres_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/postgres"
	"waybill/internal/tenantmap"
	"waybill/internal/testkit"
)

// unrecorded is a status callback of org A's message n for which no send record came.
func (w *world) unrecorded(n int) tenantmap.Unsettled {
	u := w.early(n)
	u.Evidence.Aged = true
	u.Decision = tenantmap.Decision{Enter: true}
	return u
}

func (w *world) mapping(t *testing.T, key string) (org, row string) {
	t.Helper()
	require.NoError(t, w.owner.QueryRow(t.Context(), "SELECT coalesce(org_id::text, ''), coalesce(row_id::text, '') FROM tenant_map WHERE key = $1", key).Scan(&org, &row))
	return org, row
}

// A message that nobody recorded is made by its oldest callback: its id is the
// organisation's from then on, whatever comes later, and what waited for it goes.
func TestAnExternalMessageEntersItsID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	routing := postgres.NewRouting(w.open(t, testkit.Router))
	settle := func(u tenantmap.Unsettled) (tenantmap.Decision, int64) {
		t.Helper()
		d, ready, err := routing.Settle(t.Context(), []tenantmap.Unsettled{u})
		require.NoError(t, err)
		return d[0], ready
	}
	young := w.early(1)
	young.AdoptAt = noon.Add(15 * time.Minute)
	d, _ := settle(young)
	require.Equal(t, events.Parked, d.Outcome)
	n, err := routing.RetryDue(t.Context(), young.AdoptAt.Add(-time.Second))
	require.NoError(t, err)
	require.Zero(t, n)

	old := w.unrecorded(1)
	old.Held.EventID += "2"
	d, ready := settle(old)
	row := events.DeriveRowID(w.orgA, events.Twilio, sid(1))
	require.Equal(t, []any{w.orgA, row, tenantmap.ByAccount, int64(1)}, []any{d.Org, d.Row, d.By, ready})
	haveOrg, haveRow := w.mapping(t, "resource=twilio:"+sid(1))
	require.Equal(t, []string{string(w.orgA), string(row)}, []string{haveOrg, haveRow})
	n, err = routing.RetryDue(t.Context(), young.AdoptAt)
	require.NoError(t, err)
	require.Zero(t, n, "it is ready already")

	d, ready = settle(young)
	require.Equal(t, []any{tenantmap.ByResource, row, int64(0)}, []any{d.By, d.Row, ready})

	late := w.send(1)
	late.MessageID = uuid.NewString()
	late.Echo = tenantmap.EchoKey(late.MessageID)
	stranger := late
	stranger.Org = w.orgB
	entries, _, err := routing.RecordSends(t.Context(), []tenantmap.Send{stranger, late})
	require.NoError(t, err)
	require.Equal(t, tenantmap.ReasonTaken, entries[0].Reason)
	require.Equal(t, row, entries[1].Row, "a late send record keeps the row")
}

func TestWhatIsDueIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	routing := postgres.NewRouting(w.open(t, testkit.Router))
	u := w.early(1)
	u.AdoptAt = noon.Add(15 * time.Minute)
	_, _, err := routing.Settle(t.Context(), []tenantmap.Unsettled{u})
	require.NoError(t, err)
	for _, want := range []int64{1, 0} {
		n, err := routing.RetryDue(t.Context(), u.AdoptAt)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	claimed, err := routing.ClaimReady(t.Context(), "", 10, time.Minute)
	require.NoError(t, err)
	require.Len(t, claimed.Claims, 1)
}

// Within one batch the first that enters an id decides for those behind it,
// also where they would name another organisation.
func TestAnIDIsEnteredOnceInABatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	routing := postgres.NewRouting(w.open(t, testkit.Router))
	first, second, third := w.unrecorded(1), w.unrecorded(1), w.unrecorded(1)
	second.Evidence.Signer, third.Held.EventID = w.signB, third.Held.EventID+"3"
	second.Held.EventID += "2"
	d, _, err := routing.Settle(t.Context(), []tenantmap.Unsettled{first, second, third})
	require.NoError(t, err)
	require.Equal(t, w.orgA, d[0].Org)
	require.Equal(t, []any{events.Quarantined, tenantmap.ReasonNotEntitled, "resource=" + string(w.orgA) + "/" + string(d[0].Row)},
		[]any{d[1].Outcome, d[1].Reason, d[1].Detail})
	require.Equal(t, d[0].Row, d[2].Row)
	var detail string
	require.NoError(t, w.owner.QueryRow(t.Context(), "SELECT detail FROM held_events").Scan(&detail))
	require.Equal(t, d[1].Detail, detail)
}

// Whoever is faster has the id; the other ones see it, in whatever way their
// transactions meet.
func TestAnIDIsEnteredByOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	db := w.open(t, testkit.Router)
	for n := range 30 {
		var wg sync.WaitGroup
		decisions := make([]tenantmap.Decision, 4)
		for i := range decisions {
			u := w.unrecorded(n)
			u.Held.EventID += events.EventID(string(rune('a' + i)))
			if i%2 == 1 {
				u.Evidence.Signer = w.signB
			}
			wg.Go(func() {
				d, _, err := postgres.NewRouting(db).Settle(t.Context(), []tenantmap.Unsettled{u})
				if err == nil {
					decisions[i] = d[0]
				}
			})
		}
		wg.Wait()
		org, _ := w.mapping(t, "resource=twilio:"+sid(n))
		went := 0
		for i, d := range decisions {
			own := w.orgA
			if i%2 == 1 {
				own = w.orgB
			}
			if own == events.OrgID(org) {
				require.Equal(t, own, d.Org)
				went++
			} else {
				require.Equal(t, tenantmap.ReasonNotEntitled, d.Reason)
			}
		}
		require.Equal(t, 2, went)
	}
}

func TestParkedEventsAreCountedBySigner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	routing := postgres.NewRouting(w.open(t, testkit.Router))
	kept, bare, other := w.early(1), w.early(2), w.early(3)
	bare.Held.Record, other.Held.Signer = nil, w.signB
	_, _, err := routing.Settle(t.Context(), []tenantmap.Unsettled{kept, bare, other})
	require.NoError(t, err)
	counts, err := routing.CountKept(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[tenantmap.Signer]int{{Provider: events.Twilio, Name: w.signA}: 1, {Provider: events.Twilio, Name: w.signB}: 1}, counts)
}
