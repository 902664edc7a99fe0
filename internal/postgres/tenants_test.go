package postgres_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/operate"
	"waybill/internal/postgres"
	"waybill/internal/tenantmap"
	"waybill/internal/tenants"
	"waybill/internal/testkit"
)

// requireRefusal checks that err is a refusal for a reason, in words for a person.
func requireRefusal(t *testing.T, err error, reason string) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, fault.Invalid, fault.ClassOf(err), "%v", err)
	require.Equal(t, reason, fault.ReasonOf(err))
	require.NotContains(t, err.Error(), "SQLSTATE")
}

func operator(t testing.TB, w *world) *postgres.Tenants {
	t.Helper()
	return postgres.NewTenants(w.open(t, testkit.Operator))
}

func TestAnOrganisationIsEnteredOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := operator(t, w)
	want := tenants.NewOrg{ID: events.OrgID(uuid.NewString()), Name: "Harbour Dental", ExternalID: "4711"}
	org, err := store.CreateOrg(t.Context(), want)
	require.NoError(t, err)
	require.Equal(t, want.ID, org.ID)
	require.Equal(t, "4711", org.ExternalID)

	_, err = store.CreateOrg(t.Context(), want)
	requireRefusal(t, err, "organisation_exists")
	_, err = store.CreateOrg(t.Context(), tenants.NewOrg{ID: events.OrgID(uuid.NewString()), Name: "other", ExternalID: "4711"})
	requireRefusal(t, err, "organisation_exists")

	all, err := postgres.NewTenants(w.open(t, testkit.ReadOnly)).Orgs(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 3)
	require.Empty(t, cmp.Diff(org, all[2]))
}

func TestTheReadOnlyRoleEntersNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := postgres.NewTenants(w.open(t, testkit.ReadOnly))
	_, err := store.CreateOrg(t.Context(), tenants.NewOrg{ID: events.OrgID(uuid.NewString()), Name: "x"})
	requireRefusal(t, err, "role_may_not")
	_, err = store.AddSender(t.Context(), tenants.NewSender{Org: w.orgA, Kind: tenants.Number, Value: "+15550100001"})
	requireRefusal(t, err, "role_may_not")
	accounts, err := store.Accounts(t.Context())
	require.NoError(t, err)
	require.Len(t, accounts, 2)
}

func TestAnAccountGathersTokensAndOrganisations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := operator(t, w)
	before := configVersion(t, w)
	name := "AC000000000000000000000000000000cc"
	add := func(org events.OrgID) tenants.Added {
		added, err := store.AddAccounts(t.Context(), []tenants.NewAccount{{
			Provider: tenants.Twilio, Name: name, Orgs: []events.OrgID{org},
			Tokens: []tenants.SealedToken{{ID: uuid.NewString(), Sealed: []byte("sealed")}},
		}})
		require.NoError(t, err)
		require.Len(t, added, 1)
		return added[0]
	}
	first := add(w.orgA)
	require.Equal(t, first.ID, add(w.orgB).ID)
	require.Equal(t, first.ID, add(w.orgA).ID)
	require.Greater(t, configVersion(t, w), before, "ingest would not learn of the account")

	a := account(t, store, name)
	require.Len(t, a.Tokens, 3)
	require.Len(t, a.Orgs, 2)
	for _, o := range a.Orgs {
		require.Nil(t, o.From, "the first time counts from the beginning")
		require.Nil(t, o.To)
	}

	require.NoError(t, store.RemoveAccount(t.Context(), name, a.Tokens[0].ID))
	require.Len(t, account(t, store, name).Tokens, 2)
	require.NoError(t, store.RemoveAccount(t.Context(), first.ID, ""))
	sealed, err := store.SealedTokens(t.Context(), tenants.Twilio, "", name)
	require.NoError(t, err)
	require.Empty(t, sealed)

	again := add(w.orgA)
	require.NotEqual(t, first.ID, again.ID)
	a = account(t, store, name)
	require.NotNil(t, a.Orgs[0].From, "the second time counts from now: between the two it could not sign")
}

func TestAnAccountOfNobodyIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := operator(t, w)
	var missing *tenants.NotFoundError
	_, err := store.AddAccounts(t.Context(), []tenants.NewAccount{{Provider: tenants.Twilio, Name: w.signA, Orgs: []events.OrgID{events.OrgID(uuid.NewString())}}})
	require.ErrorAs(t, err, &missing)
	require.ErrorAs(t, store.RemoveAccount(t.Context(), "AC1", ""), &missing)
	require.ErrorAs(t, store.RemoveAccount(t.Context(), w.signA, uuid.NewString()), &missing)
	require.Len(t, account(t, store, w.signA).Orgs, 1)
}

func account(t *testing.T, store *postgres.Tenants, name string) tenants.Account {
	t.Helper()
	all, err := store.Accounts(t.Context())
	require.NoError(t, err)
	for i := range all {
		if all[i].Name == name {
			return all[i]
		}
	}
	t.Fatal("no such account")
	return tenants.Account{}
}

func configVersion(t *testing.T, w *world) (v int64) {
	t.Helper()
	require.NoError(t, w.owner.QueryRow(t.Context(), "SELECT version FROM config_version").Scan(&v))
	return v
}

func TestRecordingAKeyReleasesWhatWaitsForIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	routing := postgres.NewRouting(w.open(t, testkit.Router))
	inbound := func(n int) tenantmap.Unsettled {
		p := w.early(n)
		p.Evidence.Kind = events.KindMessage
		p.Evidence.Signer = "AC000000000000000000000000000000dd" // nobody's yet
		p.Evidence.Senders = []tenantmap.Key{tenantmap.SenderKey("+15550100009")}
		p.Held.Keys = p.Evidence.Keys()
		return p
	}
	decisions, _, err := routing.Settle(t.Context(), []tenantmap.Unsettled{inbound(1)})
	require.NoError(t, err)
	require.Equal(t, events.Parked, decisions[0].Outcome)

	store := operator(t, w)
	placed, err := store.AddSender(t.Context(), tenants.NewSender{Org: w.orgA, Kind: tenants.Number, Value: "+15550100001"})
	require.NoError(t, err)
	require.Zero(t, placed.Released)
	past := noon.Add(-time.Hour)
	placed, err = store.AddSender(t.Context(), tenants.NewSender{Org: w.orgA, Kind: tenants.Number, Value: "+15550100009", From: &past})
	require.NoError(t, err)
	require.EqualValues(t, 1, placed.Released)
	require.False(t, w.lost(t, inbound(1).Held.EventID))

	_, _, err = routing.Settle(t.Context(), []tenantmap.Unsettled{func() tenantmap.Unsettled { p := inbound(2); p.Evidence.Senders = nil; return p }()})
	require.NoError(t, err)
	added, err := store.AddAccounts(t.Context(), []tenants.NewAccount{{Provider: tenants.Twilio, Name: "AC000000000000000000000000000000dd", Orgs: []events.OrgID{w.orgA}}})
	require.NoError(t, err)
	require.EqualValues(t, 1, added[0].Released)
}

func TestTenuresOfASenderDoNotOverlapUnlessShared(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := operator(t, w)
	add := func(org events.OrgID, value string, shared bool, from, to *time.Time) (tenants.Placed, error) {
		return store.AddSender(t.Context(), tenants.NewSender{Org: org, Kind: tenants.Number, Value: value, Shared: shared, From: from, To: to})
	}
	first, err := add(w.orgA, "+15550100001", false, nil, &noon)
	require.NoError(t, err)
	require.Nil(t, first.From, "nobody held it before")
	require.Equal(t, noon, *first.To)

	early := noon.Add(-time.Minute)
	_, err = add(w.orgB, "+15550100001", false, &early, nil)
	requireRefusal(t, err, "sender_taken")
	_, err = add(w.orgB, "+15550100001", true, &early, nil)
	requireRefusal(t, err, "sender_taken")
	second, err := add(w.orgB, "+15550100001", false, &noon, nil)
	require.NoError(t, err)
	require.Equal(t, noon, *second.From)
	_, err = add(w.orgA, "+15550100001", false, nil, nil)
	requireRefusal(t, err, "sender_taken")

	_, err = add(w.orgA, "55512", true, nil, nil)
	require.NoError(t, err)
	_, err = add(w.orgB, "55512", true, nil, nil)
	require.NoError(t, err, "shared by both")
	_, err = add(w.orgB, "55512", true, nil, nil)
	requireRefusal(t, err, "sender_taken")
	_, err = add(w.orgB, "55512", false, nil, nil)
	requireRefusal(t, err, "sender_taken")

	var missing *tenants.NotFoundError
	_, err = add(events.OrgID(uuid.NewString()), "+15550100002", false, nil, nil)
	require.ErrorAs(t, err, &missing)
}

func TestASenderMovesAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := operator(t, w)
	move := func(org events.OrgID, at time.Time) error {
		_, err := store.MoveSender(t.Context(), tenants.Move{Value: "+15550100001", Org: org, At: at})
		return err
	}
	at := time.Now().Add(10 * time.Second).UTC().Truncate(time.Microsecond)
	var missing *tenants.NotFoundError
	require.ErrorAs(t, move(w.orgB, at), &missing, "nobody holds it")

	_, err := store.AddSender(t.Context(), tenants.NewSender{Org: w.orgA, Kind: tenants.Number, Value: "+15550100001", VoiceRedirect: "https://a.example/"})
	require.NoError(t, err)
	requireRefusal(t, move(w.orgA, at), "sender_there")
	require.NoError(t, move(w.orgB, at))

	all, err := store.Senders(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, w.orgA, all[0].Org)
	require.Equal(t, at, *all[0].To)
	require.Equal(t, w.orgB, all[1].Org)
	require.Equal(t, at, *all[1].From)
	require.Nil(t, all[1].To)
	require.Empty(t, all[1].VoiceRedirect, "the former holder's URL is not the new one's")
}

// Whoever writes an e-mail identity, in whatever case of letters, means the one:
// it has one holder at a time, moves, and frees what waits for it.
func TestAnEmailIdentityIsOneInAnyCase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	routing := postgres.NewRouting(w.open(t, testkit.Router))
	early := w.early(1)
	early.Evidence.Aged, early.Evidence.Signer = true, "AC000000000000000000000000000000dd" // nobody's yet
	early.Evidence.Senders = []tenantmap.Key{tenantmap.SenderKey("news@example.com"), tenantmap.SenderKey("mail.example.org")}
	early.Held.Keys = early.Evidence.Keys()
	_, _, err := routing.Settle(t.Context(), []tenantmap.Unsettled{early})
	require.NoError(t, err)

	o := &operate.Onboard{Tenants: operator(t, w), Now: time.Now}
	place := func(value string, org events.OrgID) (tenants.Placed, error) {
		return o.PlaceSender(t.Context(), operate.Sender{Value: value, Org: string(org)})
	}
	for given, want := range map[string]string{" News@Example.COM ": "news@example.com", "Mail.Example.ORG": "mail.example.org"} {
		placed, err := place(given, w.orgA)
		require.NoError(t, err)
		require.Equal(t, []any{want, tenants.EmailIdentity}, []any{placed.Value, placed.Kind})
		for _, org := range []events.OrgID{w.orgA, w.orgB} {
			_, err = place(want, org)
			requireRefusal(t, err, "sender_taken")
		}
	}
	require.False(t, w.lost(t, early.Held.EventID))

	at := time.Now().Add(10 * time.Second).UTC().Truncate(time.Microsecond)
	for _, written := range []string{"NEWS@example.com", "Mail.Example.ORG"} {
		placed, err := o.Transfer(t.Context(), written, string(w.orgB), at)
		require.NoError(t, err)
		require.Equal(t, []any{w.orgB, at}, []any{placed.Org, *placed.From})
		_, err = o.Transfer(t.Context(), written, string(w.orgB), at.Add(time.Second))
		requireRefusal(t, err, "sender_there")
	}
	holders := map[string][]events.OrgID{}
	all, err := o.Senders(t.Context())
	require.NoError(t, err)
	for _, s := range all {
		holders[s.Value] = append(holders[s.Value], s.Org)
	}
	both := []events.OrgID{w.orgA, w.orgB}
	require.Equal(t, map[string][]events.OrgID{"news@example.com": both, "mail.example.org": both}, holders)

	// One that was entered as it was written, before they were kept in lower
	// case, moves as it is written.
	_, err = o.AddSender(t.Context(), tenants.NewSender{Org: w.orgA, Kind: tenants.EmailIdentity, Value: "Old@Example.com"})
	require.NoError(t, err)
	_, err = o.Transfer(t.Context(), "Old@Example.com", string(w.orgB), at)
	require.NoError(t, err)
	var missing *tenants.NotFoundError
	_, err = o.Transfer(t.Context(), "nobody@Example.com", string(w.orgB), at)
	require.ErrorAs(t, err, &missing)
}

func TestAnAccountMovesAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := operator(t, w)
	orgC := events.OrgID(uuid.NewString())
	_, err := store.CreateOrg(t.Context(), tenants.NewOrg{ID: orgC, Name: "third"})
	require.NoError(t, err)
	at := time.Now().Add(10 * time.Second).UTC().Truncate(time.Microsecond)
	move := func(account string, from, to events.OrgID, at time.Time) error {
		_, err := store.MoveAccount(t.Context(), tenants.AccountMove{Account: account, From: from, To: to, At: at})
		return err
	}
	var missing *tenants.NotFoundError
	require.ErrorAs(t, move("AC1", "", w.orgB, at), &missing)
	require.ErrorAs(t, move(w.signA, "", events.OrgID(uuid.NewString()), at), &missing)
	requireRefusal(t, move(w.signA, "", w.orgA, at), "account_there")
	requireRefusal(t, move(w.signA, w.orgB, orgC, at), "account_elsewhere")

	before := configVersion(t, w)
	moved, err := store.MoveAccount(t.Context(), tenants.AccountMove{Account: w.signA, To: w.orgB, At: at})
	require.NoError(t, err)
	require.Equal(t, []events.OrgID{w.orgA, w.orgB}, []events.OrgID{moved.From, moved.To})
	require.Greater(t, configVersion(t, w), before, "routers would not learn of it")
	want := []tenants.Tenure{{Org: w.orgA, To: &at}, {Org: w.orgB, From: &at}}
	require.Empty(t, cmp.Diff(want, tenures(t, store, w.signA, w.orgA, w.orgB, orgC)))
	requireRefusal(t, move(w.signA, "", orgC, at), "empty_tenure")

	// On the way to B it may be sent elsewhere: C has it until B does.
	earlier := at.Add(-5 * time.Second)
	require.NoError(t, move(w.signA, "", orgC, earlier))
	want = []tenants.Tenure{{Org: w.orgA, To: &earlier}, {Org: w.orgB, From: &at}, {Org: orgC, From: &earlier, To: &at}}
	require.Empty(t, cmp.Diff(want, tenures(t, store, w.signA, w.orgA, w.orgB, orgC)))

	// Of several organisations one is left, and the others keep theirs.
	_, err = store.AddAccounts(t.Context(), []tenants.NewAccount{{Provider: tenants.Twilio, Name: w.signB, Orgs: []events.OrgID{w.orgA}}})
	require.NoError(t, err)
	requireRefusal(t, move(w.signB, "", orgC, at), "several_organisations")
	require.NoError(t, move(w.signB, w.orgB, orgC, at))
	want = []tenants.Tenure{{Org: w.orgA}, {Org: w.orgB, To: &at}, {Org: orgC, From: &at}}
	require.Empty(t, cmp.Diff(want, tenures(t, store, w.signB, w.orgA, w.orgB, orgC)))

	// To rotate a token meanwhile neither undoes the move nor hastens it.
	_, err = store.AddAccounts(t.Context(), []tenants.NewAccount{{Provider: tenants.Twilio, Name: w.signB, Orgs: []events.OrgID{w.orgB, orgC}}})
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want, tenures(t, store, w.signB, w.orgA, w.orgB, orgC)))

	// An account that is removed before its move signs for nobody, ever.
	require.NoError(t, store.RemoveAccount(t.Context(), w.signB, ""))
	f, err := postgres.NewRouting(w.open(t, testkit.Router)).Lookup(t.Context(), []tenantmap.Key{tenantmap.AccountKey(events.Twilio, w.signB)})
	require.NoError(t, err)
	gone := f.Accounts[tenantmap.AccountKey(events.Twilio, w.signB)]
	for _, org := range []events.OrgID{w.orgA, w.orgB, orgC} {
		require.False(t, gone.Entitled(org, time.Now().Add(time.Second)), org)
		require.False(t, gone.Entitled(org, at.Add(time.Hour)), org)
		require.Equal(t, org != orgC, gone.Entitled(org, noon), "what it signed before is judged as of then")
	}
	require.ErrorAs(t, move(w.signB, "", orgC, at), &missing)

	_, err = store.AddAccounts(t.Context(), []tenants.NewAccount{{Provider: tenants.Twilio, Name: "AC000000000000000000000000000000ff", Platform: true}})
	require.NoError(t, err)
	requireRefusal(t, move("AC000000000000000000000000000000ff", "", orgC, at), "account_of_all")
}

// tenures returns for whom an account signs, in the order of some organisations.
func tenures(t *testing.T, store *postgres.Tenants, name string, orgs ...events.OrgID) (out []tenants.Tenure) {
	t.Helper()
	for _, org := range orgs {
		for _, tenure := range account(t, store, name).Orgs {
			if tenure.Org == org {
				out = append(out, tenure)
			}
		}
	}
	return out
}

// For whom a moved account signs hangs on the time, and what waited for the
// account is looked at again.
func TestAMovedAccountSignsForItsHolderAtTheTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := operator(t, w)
	routing := postgres.NewRouting(w.open(t, testkit.Router))
	at := time.Now().Add(10 * time.Second).UTC().Truncate(time.Microsecond)
	signsFor := func(sent time.Time) (orgs []events.OrgID) {
		t.Helper()
		key := tenantmap.AccountKey(events.Twilio, w.signA)
		facts, err := routing.Lookup(t.Context(), []tenantmap.Key{key})
		require.NoError(t, err)
		for _, org := range []events.OrgID{w.orgA, w.orgB} {
			if facts.Accounts[key].Entitled(org, sent) {
				orgs = append(orgs, org)
			}
		}
		return orgs
	}
	held := w.early(1).Held // signed by it, of a message that nobody recorded
	held.State, held.Reason, held.Keys = events.Parked, tenantmap.ReasonNoMapping, []tenantmap.Key{tenantmap.AccountKey(events.Twilio, w.signA)}
	require.NoError(t, routing.Hold(t.Context(), []tenantmap.Held{held}))
	moved, err := store.MoveAccount(t.Context(), tenants.AccountMove{Account: w.signA, To: w.orgB, At: at})
	require.NoError(t, err)
	require.EqualValues(t, 1, moved.Released)
	require.Equal(t, []events.OrgID{w.orgA}, signsFor(at.Add(-time.Microsecond)))
	require.Equal(t, []events.OrgID{w.orgB}, signsFor(at))
}
