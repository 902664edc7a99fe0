package postgres_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/operate"
	"waybill/internal/postgres"
	"waybill/internal/tenantmap"
	"waybill/internal/testkit"
)

func TestEveryActOnAHeldEventIsOnRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := postgres.NewHeld(w.open(t, testkit.Operator))
	parked := w.hold(t, 1, events.Parked, tenantmap.ReasonNoMapping, nil)
	crossed := w.hold(t, 2, events.Quarantined, tenantmap.ReasonContradiction, nil)
	do(t, store, operate.Order{Act: history.ActRelease, Which: operate.Selection{IDs: []string{parked}}, DryRun: true})
	require.Empty(t, w.acts(t), "nothing was done")

	do(t, store, operate.Order{Act: history.ActRelease, Which: operate.Selection{IDs: []string{parked}}, Note: "ticket 4711", User: "ada"})
	do(t, store, operate.Order{Act: history.ActReplay, Which: operate.Selection{State: "quarantined", Key: sid(2), Org: string(w.orgA), Provider: "twilio"}})
	do(t, store, operate.Order{Act: history.ActDismiss, Which: operate.Selection{IDs: []string{crossed}}})
	acts := w.acts(t)
	require.Len(t, acts, 3)
	filters := make([]map[string]any, 3)
	for i := range acts {
		a := &acts[i]
		require.WithinDuration(t, time.Now(), a.At, time.Minute)
		require.NoError(t, json.Unmarshal(a.Filter, &filters[i]))
		a.At, a.Filter = time.Time{}, nil
	}
	id := func(s string) *events.EventID { e := events.EventID(s); return &e }
	by := history.Act{Operator: testkit.Operator, Application: "waybill", Events: 1}
	dismissed, replayed, released := by, by, by
	dismissed.Act, dismissed.Event, dismissed.State, dismissed.Reason = history.ActDismiss, id(crossed), events.Quarantined, tenantmap.ReasonContradiction
	replayed.Act, replayed.Event, replayed.State, replayed.Reason = history.ActReplay, id(crossed), events.Quarantined, tenantmap.ReasonContradiction
	released.Act, released.Event, released.State, released.Reason = history.ActRelease, id(parked), events.Parked, tenantmap.ReasonNoMapping
	released.Note, released.User = "ticket 4711", "ada"
	require.Equal(t, []history.Act{dismissed, replayed, released}, acts)
	require.Equal(t, []map[string]any{
		{"ids": 1.0}, {"state": "quarantined", "key": sid(2), "org": string(w.orgA), "provider": "twilio"}, {"ids": 1.0},
	}, filters)

	shown, err := operate.ShowHeld(t.Context(), store, parked)
	require.NoError(t, err)
	require.Len(t, shown.Acts, 1)
	gone, err := operate.ListActs(t.Context(), store, crossed, time.Time{}, 10)
	require.NoError(t, err)
	require.Len(t, gone, 2, "it is held no longer, and what was done to it is known")
}

// A filter may be somebody's number: of such a key the record holds the kind.
func TestWhatIsOnRecordNamesNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const us, person, address = "+12025550123", "+12025550199", "ada@example.com"
	talk, _ := tenantmap.ConversationKey(us, person)
	id := w.hold(t, 1, events.Parked, tenantmap.ReasonNoMapping, func(h *tenantmap.Held) {
		h.Keys = append(h.Keys, tenantmap.SenderKey(us), tenantmap.SenderKey(address), talk, tenantmap.ResourceKey(events.SES, address),
			tenantmap.AccountKey(events.Twilio, w.signA), tenantmap.EchoKey("7b2e0000-0000-4000-8000-000000000001"))
	})
	store := postgres.NewHeld(w.open(t, testkit.Operator))
	for key, want := range map[string]string{
		us: "id", address: "id", "sender=" + us: "sender", talk.String(): "conversation", "resource=ses:" + address: "resource",
		sid(1): sid(1), "resource=twilio:" + sid(1): "resource=twilio:" + sid(1), "account=twilio:" + w.signA: "account=twilio:" + w.signA,
		"echo=7b2e0000-0000-4000-8000-000000000001": "echo=7b2e0000-0000-4000-8000-000000000001",
	} {
		w.exec(t, "UPDATE held_events SET ready = false")
		w.exec(t, "TRUNCATE held_acts")
		do(t, store, operate.Order{Act: history.ActReplay, Which: operate.Selection{Key: key}})
		acts := w.acts(t)
		require.Len(t, acts, 1, key)
		require.Equal(t, id, string(*acts[0].Event))
		require.JSONEq(t, `{"key": "`+want+`"}`, string(acts[0].Filter))
	}
}

// Whoever may act cannot write who it was, nor when, nor take anything back.
func TestOperatorsCannotChangeWhatTheyDid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.hold(t, 1, events.Parked, tenantmap.ReasonNoMapping, nil)
	do(t, postgres.NewHeld(w.open(t, testkit.Operator)), operate.Order{Act: history.ActRelease, Which: operate.Selection{IDs: []string{id}}})
	for _, role := range []string{testkit.Operator, testkit.Router, testkit.Worker, testkit.ReadOnly} {
		pool := w.db.Pool(t, role)
		for _, sql := range []string{
			"UPDATE held_acts SET note = ''", "DELETE FROM held_acts", "TRUNCATE held_acts",
			"INSERT INTO held_acts (operator, act, filter, state) VALUES ('somebody', 'release', '{}', 'parked')",
			"INSERT INTO held_acts (acted_at, act, filter, state) VALUES (now(), 'release', '{}', 'parked')",
		} {
			_, state := try(t, pool, "", sql)
			require.Equal(t, forbidden, state, "%s: %s", role, sql)
		}
	}
}

func TestAnActThatCannotBeRecordedIsNotDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.hold(t, 1, events.Quarantined, tenantmap.ReasonContradiction, nil)
	store := postgres.NewHeld(w.open(t, testkit.Operator))
	w.exec(t, `CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'broken off' USING ERRCODE = 'disk_full'; END $$`)
	w.exec(t, "CREATE TRIGGER break_off BEFORE INSERT ON held_acts FOR EACH STATEMENT EXECUTE FUNCTION break_off()")
	which := operate.Selection{IDs: []string{id}}
	for _, o := range []operate.Order{
		{Act: history.ActRelease, Which: which},
		{Act: history.ActReplay, Which: which},
		{Act: history.ActDismiss, Which: which},
		{Act: history.ActRelease, Which: which, To: string(w.orgA)},
	} {
		_, err := operate.ChangeHeld(t.Context(), store, o, func(int) {})
		require.ErrorContains(t, err, "SQLSTATE 53100", o.Act)
		require.True(t, w.lost(t, events.EventID(id)), "%s was done", o.Act)
	}
	var assigned int
	require.NoError(t, w.owner.QueryRow(t.Context(), "SELECT count(*) FROM held_assignments").Scan(&assigned))
	require.Zero(t, assigned)
}

// A million events that are released do not leave a million rows, but every
// quarantined one is named.
func TestABulkActIsCountedByChunks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.many(t, 2500)
	var crossed []string
	for n := range 3 {
		crossed = append(crossed, w.hold(t, n+1, events.Quarantined, tenantmap.ReasonContradiction, nil))
	}
	done := do(t, postgres.NewHeld(w.open(t, testkit.Operator)), operate.Order{Act: history.ActReplay, All: true})
	require.Equal(t, 2503, done.Events)
	acts := w.acts(t)
	require.LessOrEqual(t, len(acts), 3+3*2, "three chunks of at most two other states")
	counted, named := 0, []string{}
	for _, a := range acts {
		counted += a.Events
		if a.Event != nil {
			named = append(named, string(*a.Event))
		}
	}
	require.Equal(t, 2503, counted)
	require.ElementsMatch(t, crossed, named)
}

func TestEventsAreReleasedToAnOrganisation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := postgres.NewHeld(w.open(t, testkit.Operator))
	parked := w.hold(t, 1, events.Parked, tenantmap.ReasonNoMapping, nil)
	crossed := w.hold(t, 2, events.Quarantined, tenantmap.ReasonContradiction, nil)
	unclaimed := w.hold(t, 3, events.Dead, tenantmap.ReasonUnclaimed, nil)
	assigned := func() map[string]string {
		return pairs(t, w.db.Pool(t, testkit.Router), "SELECT event_id, org_id::text FROM held_assignments")
	}
	order := operate.Order{Act: history.ActRelease, Which: operate.Selection{IDs: []string{parked, crossed, unclaimed}}, To: string(w.orgB), Note: "by telephone"}

	dry := order
	dry.DryRun = true
	done := do(t, store, dry)
	require.Equal(t, history.HeldChange{events.Parked: 1, events.Quarantined: 1, events.Dead: 1}, done.States)
	require.Empty(t, assigned())
	require.True(t, w.lost(t, events.EventID(parked)))

	done = do(t, store, order)
	require.Equal(t, 3, done.Events)
	require.Equal(t, w.orgB, *done.Org)
	require.Equal(t, map[string]string{parked: string(w.orgB), crossed: string(w.orgB), unclaimed: string(w.orgB)}, assigned())
	for _, id := range []string{parked, crossed, unclaimed} {
		require.False(t, w.lost(t, events.EventID(id)), "it is ready")
	}
	acts := w.acts(t)
	require.Len(t, acts, 3)
	for _, a := range acts {
		require.Equal(t, w.orgB, *a.Org)
		require.Equal(t, "by telephone", a.Note)
	}

	order.To, order.Which.IDs = string(w.orgA), []string{parked}
	do(t, store, order)
	require.Equal(t, string(w.orgA), assigned()[parked], "the last word counts")
}

// A refusal leaves everything as it was, whatever stands beside what is refused.
func TestWhatCannotBeReleasedToAnOrganisation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := postgres.NewHeld(w.open(t, testkit.Operator))
	good := w.hold(t, 1, events.Parked, tenantmap.ReasonNoMapping, nil)
	send := w.hold(t, 2, events.Quarantined, tenantmap.ReasonTaken, func(h *tenantmap.Held) { h.Provider = events.Sender })
	stripe := w.hold(t, 3, events.Quarantined, "x", func(h *tenantmap.Held) { h.Provider = events.Stripe })
	unreadable := w.hold(t, 4, events.Dead, "unknown_status", nil)
	erased := uuid.NewString()
	w.exec(t, "INSERT INTO organizations (id, name, erased_at) VALUES ($1, '', now())", erased)
	orgA := string(w.orgA)
	for want, o := range map[string]operate.Order{
		"is a send record":                   {Which: operate.Selection{IDs: []string{good, send}}, To: orgA},
		"is Stripe's":                        {Which: operate.Selection{IDs: []string{good, stripe}}, To: orgA},
		"cannot be processed":                {Which: operate.Selection{IDs: []string{good, unreadable}}, To: orgA},
		"no event twilio/x is held":          {Which: operate.Selection{IDs: []string{good, "twilio/x"}}, To: orgA},
		"no organisation has this id":        {Which: operate.Selection{IDs: []string{good}}, To: uuid.NewString()},
		"this organisation was erased":       {Which: operate.Selection{IDs: []string{good}}, To: erased},
		"--to: ":                             {Which: operate.Selection{IDs: []string{good}}, To: "orgA"},
		"--to goes with the ids of the even": {Which: operate.Selection{State: "parked"}, To: orgA},
		"--to goes with the ids of the":      {Which: operate.Selection{IDs: []string{good}, State: "parked"}, To: orgA},
		"--to goes with the ids of":          {Which: operate.Selection{IDs: []string{good}}, All: true, To: orgA},
	} {
		o.Act = history.ActRelease
		_, err := operate.ChangeHeld(t.Context(), store, o, func(int) {})
		require.ErrorContains(t, err, want)
		require.True(t, w.lost(t, events.EventID(good)), want)
	}
	require.Empty(t, w.acts(t))
	var assigned int
	require.NoError(t, w.owner.QueryRow(t.Context(), "SELECT count(*) FROM held_assignments").Scan(&assigned))
	require.Zero(t, assigned)
}

// An erased organisation gets nothing, also by a word that was given before,
// and not by a transaction that looked before it was erased.
func TestAnErasedOrganisationLosesWhatWasAssignedToIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := postgres.NewHeld(w.open(t, testkit.Operator))
	id := w.hold(t, 1, events.Parked, tenantmap.ReasonNoMapping, nil)
	do(t, store, operate.Order{Act: history.ActRelease, Which: operate.Selection{IDs: []string{id}}, To: string(w.orgB)})
	w.exec(t, "SELECT close_organization($1)", w.orgB)
	var left int
	require.NoError(t, w.owner.QueryRow(t.Context(), "SELECT count(*) FROM held_assignments").Scan(&left))
	require.Zero(t, left)
	_, err := w.owner.Exec(t.Context(), "INSERT INTO held_assignments (event_id, org_id) VALUES ('x', $1)", w.orgB)
	require.ErrorContains(t, err, "this organisation was erased")
}

func TestActsAndAssignmentsExpire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := postgres.NewRetention(w.open(t, testkit.Worker))
	store := postgres.NewHeld(w.open(t, testkit.Operator))
	held, gone := w.hold(t, 1, events.Parked, tenantmap.ReasonNoMapping, nil), w.hold(t, 2, events.Parked, tenantmap.ReasonNoMapping, nil)
	do(t, store, operate.Order{Act: history.ActRelease, Which: operate.Selection{IDs: []string{held, gone}}, To: string(w.orgB)})
	w.exec(t, "DELETE FROM held_events WHERE event_id = $1", gone)

	_, err := s.ExpireActs(t.Context(), time.Now().Add(-364*days))
	require.Error(t, err, "no setting shortens what is kept of operators")
	_, err = s.ExpireAssignments(t.Context(), time.Now().Add(-6*days))
	require.Error(t, err)
	n, err := s.ExpireActs(t.Context(), time.Now().Add(-366*days))
	require.NoError(t, err)
	require.Zero(t, n)
	w.exec(t, "UPDATE held_acts SET acted_at = acted_at - interval '367 days' WHERE event_id = $1", held)
	n, err = s.ExpireActs(t.Context(), time.Now().Add(-366*days))
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	require.Len(t, w.acts(t), 1)

	w.exec(t, "UPDATE held_assignments SET assigned_at = assigned_at - interval '31 days'")
	n, err = s.ExpireAssignments(t.Context(), time.Now().Add(-30*days))
	require.NoError(t, err)
	require.EqualValues(t, 1, n, "one of the events is held still")
	var left string
	require.NoError(t, w.owner.QueryRow(t.Context(), "SELECT event_id FROM held_assignments").Scan(&left))
	require.Equal(t, held, left)
}
