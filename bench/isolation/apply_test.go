package isolation_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/config"
	"waybill/internal/events"
	"waybill/internal/postgres"
	"waybill/internal/testkit"
)

// BenchmarkApply measures the workers' whole transaction, batches of new
// messages with a campaign each organisation: fence, event ids, rows, timeline,
// counters. The superuser runs the same statements, and no policy holds it.
func BenchmarkApply(b *testing.B) {
	for _, orgs := range []int{1, 50, 1000} {
		for name, role := range map[string]string{"secured": testkit.Worker, "unsecured": testkit.Owner} {
			b.Run(fmt.Sprintf("orgs=%d/%s", orgs, name), func(b *testing.B) {
				db := testkit.Database(b)
				owner := db.Pool(b, testkit.Owner)
				ids, campaigns := make([]events.OrgID, orgs), make([]string, orgs)
				for i := range ids {
					ids[i], campaigns[i] = events.OrgID(uuid.NewString()), uuid.NewString()
				}
				_, err := owner.Exec(b.Context(), "INSERT INTO organizations (id, name) SELECT unnest($1::uuid[]), 'o'", ids)
				require.NoError(b, err)
				pool, err := postgres.Open(b.Context(), postgres.Config{URL: config.Secret(db.URL(role)), MaxConns: 2, Prepared: true})
				require.NoError(b, err)
				b.Cleanup(pool.Close)
				require.NoError(b, postgres.NewLedger(pool, "bench").Plant(b.Context(), events.TopicMessages, 0, 0))
				store := postgres.NewMessages(pool, "bench")
				r := rand.New(rand.NewPCG(2, uint64(orgs))) //nolint:gosec // a fixed draw
				f := bus.Fence{Topic: events.TopicMessages}
				n := 0
				for b.Loop() {
					batch := make([]events.Message, batchRows)
					for i := range batch {
						which := r.IntN(orgs)
						batch[i] = sent(ids[which], campaigns[which])
					}
					f.Next = f.At + batchRows
					_, err := store.Apply(b.Context(), []bus.Fence{f}, batch)
					require.NoError(b, err)
					f.At = f.Next
					n += batchRows
				}
				b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func sent(org events.OrgID, campaign string) events.Message {
	id := uuid.NewString()
	return events.Message{
		EventID: events.EventID("bench/" + id), Receipt: events.NewReceiptID(), Kind: events.KindSend, Provider: events.Twilio,
		Org: org, Row: events.RowID(id), MessageID: id, CampaignID: campaign, ProviderID: "SM" + id, Channel: events.SMS,
		Direction: events.Outbound, Status: "accepted", ReceivedAt: time.Now(), Raw: events.Position{Topic: events.TopicSends}, Packed: []byte{1},
	}
}
