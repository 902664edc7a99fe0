package main_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/config"
	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/operate"
	"waybill/internal/postgres"
	"waybill/internal/tenantmap"
	"waybill/internal/testkit"
)

const (
	message  = "SM0123456789abcdef0123456789abcdef"
	campaign = "5d1f0000-0000-4000-8000-00000000c0de"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func (s *shell) open(role string) *postgres.DB {
	s.t.Helper()
	db, err := postgres.Open(s.t.Context(), postgres.Config{URL: config.Secret(s.db.URL(role)), MaxConns: 2})
	require.NoError(s.t, err)
	s.t.Cleanup(db.Close)
	return db
}

// live applies a send, two callbacks and a repeat, and quarantines one event
// that another account signed.
func (s *shell) live(org events.OrgID) {
	s.t.Helper()
	at := func(kind events.Kind, status string, second int) events.Message {
		return events.Message{
			EventID: events.NewEventID(events.Twilio, account, kind, message, status, ""), Receipt: events.NewReceiptID(),
			Kind: kind, Provider: events.Twilio, Org: org, Row: events.DeriveRowID(org, events.Twilio, message), ResolvedBy: tenantmap.ByResource,
			ProviderID: message, Channel: events.SMS, Direction: events.Outbound, Status: status,
			ReceivedAt: noon.Add(time.Duration(second) * time.Second), Raw: events.Position{Topic: events.TopicRawTwilio, Offset: int64(second)}, Packed: []byte{1},
		}
	}
	send := at(events.KindSend, "accepted", 0)
	send.CampaignID = campaign
	batch := []events.Message{send, at(events.KindMessageStatus, "sent", 1), at(events.KindMessageStatus, "delivered", 2), at(events.KindMessageStatus, "delivered", 3)}

	db := s.open(testkit.Worker)
	require.NoError(s.t, postgres.NewLedger(db, events.GroupWorkers).Plant(s.t.Context(), events.TopicMessages, 0, 0))
	fence := bus.Fence{Topic: events.TopicMessages, Next: int64(len(batch))}
	_, err := postgres.NewMessages(db, events.GroupWorkers).Apply(s.t.Context(), []bus.Fence{fence}, batch)
	require.NoError(s.t, err)
	err = postgres.NewRouting(s.open(testkit.Router)).Hold(s.t.Context(), []tenantmap.Held{{
		EventID: "twilio/ACforeign/message.status/" + message + ":failed:", Receipt: events.NewReceiptID(), State: events.Quarantined,
		Reason: tenantmap.ReasonNotEntitled, Provider: events.Twilio, Kind: events.KindMessageStatus, Signer: "ACforeign",
		Named: tenantmap.ResourceKey(events.Twilio, message).String(), ReceivedAt: noon.Add(time.Minute), Raw: events.Position{Topic: events.TopicRawTwilio, Offset: 9},
		Record: []byte{1}, Keys: []tenantmap.Key{tenantmap.ResourceKey(events.Twilio, message), tenantmap.AccountKey(events.Twilio, "ACforeign")},
	}})
	require.NoError(s.t, err)
}

func TestAskingWhatHappened(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.live(events.OrgID(s.org("Harbour Dental")))
	s.env["WAYBILL_DATABASE_URL"] = s.db.URL(testkit.ReadOnly)

	testkit.Golden(t, "json/trace.json", steady(s.json(nil, 0, "trace", message)))
	testkit.Golden(t, "json/trace_unknown.json", steady(s.json(nil, 3, "trace", "SM1")))
	testkit.Golden(t, "json/campaign_show.json", steady(s.json(nil, 0, "campaign", "show", campaign)))
	testkit.Golden(t, "json/held_list.json", steady(s.json(nil, 0, "held", "list", "--key", message)))
	id := "twilio/ACforeign/message.status/" + message + ":failed:"
	testkit.Golden(t, "json/held_show.json", steady(s.json(nil, 0, "held", "show", id)))
	for _, verb := range [][]string{{"trace", message}, {"trace", campaign}, {"campaign", "show", campaign}, {"held", "list"}, {"held", "show", id}} {
		r := s.run(verb...)
		require.Zero(t, r.status, r.errOut)
		require.Contains(t, r.out, "  ")
	}

	s.env["WAYBILL_DATABASE_URL"] = s.db.URL(testkit.Operator)
	testkit.Golden(t, "json/held_replay_dry_run.json", steady(s.json(nil, 0, "held", "replay", "--state", "quarantined", "--dry-run")))
	var done operate.Acted
	s.json(&done, 0, "held", "release", "--all")
	require.Zero(t, done.Events, "release is for parked events")
	s.json(&done, 0, "held", "replay", id)
	require.Equal(t, 1, done.Events)
	var org struct {
		ID string `json:"id"`
	}
	s.json(&org, 0, "org", "create", "--name", "Quay Optics")
	s.json(&done, 0, "held", "release", id, "--to", org.ID, "--note", "by telephone")
	require.Equal(t, 1, done.Events)
	require.Equal(t, org.ID, string(*done.Org))
	r := s.run("held", "show", id)
	require.Contains(t, r.out, "to "+org.ID+", was quarantined (")
	require.Contains(t, r.out, "): by telephone")
	s.json(&done, 0, "held", "dismiss", id)
	require.Equal(t, 1, done.Events)
	require.Equal(t, 3, s.run("held", "show", id).status)
	var acts, ofOne []history.Act
	s.json(&acts, 0, "held", "acts", "--since", "1h")
	require.Len(t, acts, 3)
	require.Equal(t, []history.HeldAct{history.ActDismiss, history.ActRelease, history.ActReplay}, []history.HeldAct{acts[0].Act, acts[1].Act, acts[2].Act})
	s.json(&ofOne, 0, "held", "acts", id)
	require.Equal(t, acts, ofOne)
	s.json(&acts, 0, "held", "acts", "--since", "+1h")
	require.Empty(t, acts)
	r = s.run("held", "acts")
	require.Contains(t, r.out, "by telephone")
	for _, usage := range [][]string{
		{"held", "release", "--all", "--to", org.ID},
		{"held", "release", id, "--to", "Quay Optics"},
		{"held", "list", "--provider", "acme"},
		{"held", "list", "--since", "1h", "--before", "2h"},
		{"held", "release"},
		{"held", "replay", "--to", org.ID},
	} {
		require.Equal(t, 2, s.run(usage...).status, usage)
	}
}

func TestTopicsSendsAndAudit(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.env["WAYBILL_KAFKA_BROKERS"] = testkit.EmbeddedKafka(t).Addr()
	r := s.run("topics", "check", "--profile", "embedded", "--json")
	require.Equal(t, 1, r.status, "no topic is there yet")
	testkit.Golden(t, "json/topics_create.json", steady(s.json(nil, 0, "topics", "create", "--profile", "embedded")))
	s.json(nil, 0, "topics", "check", "--profile", "embedded")

	line := `{"org_id":"` + uuid.NewString() + `","channel":"sms","provider":"twilio","provider_id":"` + message + `"}`
	r = s.pipe(line+"\nnonsense\n"+line+"\n", "send", "record", "--json")
	require.Equal(t, 1, r.status)
	require.Contains(t, r.errOut, "line 2: ")
	testkit.Golden(t, "json/send_record.json", steady(r.out))

	testkit.Golden(t, "json/audit.json", steady(s.json(nil, 0, "audit")))
	var b operate.Balance
	s.json(&b, 0, "audit", "--since", "1h", "--wait", "1ms")
	require.Equal(t, 2, b.InFlight)
	s.json(&b, 0, "audit", "--since", "+1h")
	require.Zero(t, b.Receipts)
}

func TestMigratingAndVersion(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.env["WAYBILL_DATABASE_URL"] = s.db.URL(testkit.Owner)
	testkit.Golden(t, "json/migrate_status.json", steady(s.json(nil, 0, "migrate", "status")))
	testkit.Golden(t, "json/migrate_up.json", steady(s.json(nil, 0, "migrate", "up")))
	var version struct{ Go string }
	s.json(&version, 0, "version")
	require.NotEmpty(t, version.Go)
}
