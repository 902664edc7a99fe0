package e2e_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/operate"
	"waybill/sends"
	"waybill/sends/kafka"
)

// A campaign of ten thousand is recorded with one call, and again with the same
// call, as after an error: each message is in the map and in its row once, and
// nothing is counted as a repeat.
func TestTenThousandSendsInOneCall(t *testing.T) {
	h := open(t)
	const n = 10_000
	pub, err := kafka.NewPublisher(kafka.Config{Brokers: []string{h.ready.KafkaBrokers}})
	require.NoError(t, err)
	defer func() { require.NoError(t, pub.Close()) }()
	recorder, campaign := sends.New(pub), uuid.NewString()
	list := make([]sends.Send, n)
	for i := range list {
		list[i] = sends.Send{
			Org: h.a.org, Channel: sends.SMS, Provider: sends.Twilio, Account: h.a.Account, MessageID: uuid.NewString(),
			From: h.a.number, To: person, CampaignID: campaign,
		}.Accepted(h.id("SM"), time.Now())
	}
	count := func(query string, args ...any) (n int) {
		require.NoError(t, h.sql.QueryRow(t.Context(), query, args...).Scan(&n))
		return n
	}
	mapped := func() int {
		return count(`SELECT count(*) FROM tenant_map WHERE key LIKE 'resource=twilio:SM' || $1 || '%' AND org_id = $2 AND recorded_with <> ''`, h.random, h.a.org)
	}
	rows := func(status string) int {
		return count("SELECT count(*) FROM sms_messages WHERE org_id = $1 AND campaign_id = $2 AND status = $3", h.a.org, campaign, status)
	}
	all := func(what func() int) {
		t.Helper()
		require.Eventually(t, func() bool { return what() == n }, time.Minute, 20*time.Millisecond, "not all are there")
	}
	began := time.Now()
	require.NoError(t, recorder.Record(t.Context(), list...))
	recorded := time.Since(began)
	all(mapped)
	inMap := time.Since(began)
	all(func() int { return rows("accepted") })
	t.Logf("%d sends: durable after %s, in the map after %s, in their rows after %s", n,
		recorded.Round(time.Millisecond), inMap.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))

	repeats := count("SELECT count(*) FROM event_duplicates")
	require.NoError(t, recorder.Record(t.Context(), list...))
	audit := &operate.Audit{Ledger: h.inspect, Log: h.kafka}
	require.NoError(t, audit.Wait(t.Context(), time.Minute), "until everything is applied")
	require.Zero(t, count("SELECT count(*) FROM event_duplicates")-repeats, "they were counted as repeats")
	require.Equal(t, n, mapped())
	require.Equal(t, n, rows("accepted"))
	require.Zero(t, count("SELECT count(*) FROM held_events WHERE named_key LIKE 'resource=twilio:SM' || $1 || '%'", h.random))
}
