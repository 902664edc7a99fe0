package cluster_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"waybill/internal/config"
	"waybill/internal/events"
	"waybill/internal/operate"
	"waybill/internal/postgres"
	"waybill/internal/provider/twilio"
	"waybill/internal/seal"
	"waybill/internal/simulate"
	"waybill/internal/tenantmap"
	"waybill/internal/tenants"
	"waybill/internal/testkit"
)

// statuses are what is called back of every message here, in this order.
var statuses = []string{"queued", "sent", "delivered", "read"}

const (
	ourNumber = "+999000000000001" // nobody's: 999 is no country's code
	somebody  = "+12025550100"     // of the range that is kept for fiction
)

// outbound is a message whose send is on record.
type outbound struct {
	org events.OrgID
	id  events.RowID // the sender's message id
	sid string
}

// cast is who plays when one organisation floods the others.
type cast struct {
	account  simulate.Twilio // the platform's: it signs for every organisation
	flooding events.OrgID
	lanes    map[int32]bool // the partitions that the flooding organisation lives on
	sharing  []events.OrgID // each has a lane of its own on one of them at least
	apart    []events.OrgID // none has
}

// partitionOf returns where the Java client and all that agree with it put a key.
func partitionOf(key []byte, partitions int) int32 {
	p := kgo.StickyKeyPartitioner(nil).ForTopic(events.TopicMessages)
	return int32(p.Partition(&kgo.Record{Key: key}, partitions)) //nolint:gosec // a partition's number
}

// lanesOf returns the partitions of a domain topic that an organisation lives on.
func lanesOf(org events.OrgID) map[int32]bool {
	lanes := map[int32]bool{}
	for lane := range events.Lanes {
		lanes[partitionOf([]byte(string(org)+"/"+strconv.Itoa(lane)), events.Production.Partitions)] = true
	}
	return lanes
}

// newCast makes up organisations until one lives on as many partitions as an
// organisation can, and so many of the others share a partition with it or do not.
func newCast(publicURL string, sharing, apart int) *cast {
	k := &cast{account: simulate.Twilio{PublicURL: publicURL, Account: "AC" + hex32(), Token: hex32()}}
	for len(k.lanes) < events.Lanes {
		k.flooding = events.OrgID(uuid.NewString())
		k.lanes = lanesOf(k.flooding)
	}
	for len(k.sharing) < sharing || len(k.apart) < apart {
		org := events.OrgID(uuid.NewString())
		shares := false
		for p := range lanesOf(org) {
			shares = shares || k.lanes[p]
		}
		switch {
		case shares && len(k.sharing) < sharing:
			k.sharing = append(k.sharing, org)
		case !shares && len(k.apart) < apart:
			k.apart = append(k.apart, org)
		}
	}
	return k
}

func hex32() string {
	id := uuid.New()
	return fmt.Sprintf("%x", id[:])
}

// enter makes the cast known to Waybill.
func (k *cast) enter(t *testing.T, c *cluster) {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: config.Secret(c.database(testkit.Operator)), MaxConns: 2})
	require.NoError(t, err)
	defer db.Close()
	key, err := seal.ParseKey(c.key)
	require.NoError(t, err)
	o := &operate.Onboard{Tenants: postgres.NewTenants(db), Key: key, Now: time.Now}
	for i, org := range append(append([]events.OrgID{k.flooding}, k.sharing...), k.apart...) {
		_, err := o.NewOrg(t.Context(), string(org), fmt.Sprintf("flood %d", i), "")
		require.NoError(t, err)
	}
	_, err = o.SignUp(t.Context(), operate.Account{
		Provider: tenants.Twilio, Name: k.account.Account, Platform: true, Secrets: []operate.Secret{{Value: []byte(k.account.Token)}},
	})
	require.NoError(t, err)
}

// send makes up messages of an organisation, and the send records of a campaign of them.
func (k *cast) send(t *testing.T, org events.OrgID, n int) (list []outbound, records []*kgo.Record) {
	t.Helper()
	campaign, at := uuid.NewString(), events.Millis(time.Now())
	for range n {
		m := outbound{org: org, id: events.RowID(uuid.NewString()), sid: "SM" + hex32()}
		s := events.Send{
			Org: org, Channel: events.SMS, Provider: events.Twilio, Account: k.account.Account, ProviderID: m.sid, MessageID: string(m.id),
			To: somebody, From: ourNumber, CampaignID: campaign, Status: "accepted", SentAt: &at, Receipt: events.NewReceiptID(), ReceivedAt: at,
		}
		rec, err := s.Record()
		require.NoError(t, err)
		list, records = append(list, m), append(records, toKafka(&rec))
	}
	return list, records
}

// callback is what the provider reports of a message.
func (k *cast) callback(m *outbound, status string) simulate.Request {
	return k.account.Status(m.sid, ourNumber, somebody, status, "")
}

// routed returns a callback as the router would have put it on the messages topic.
func (k *cast) routed(t *testing.T, m *outbound, status string, at events.Position) *kgo.Record {
	t.Helper()
	req := k.callback(m, status)
	raw := events.Raw{
		Receipt: events.NewReceiptID(), Provider: events.Twilio, Kind: events.KindMessageStatus, Signer: k.account.Account, Key: m.sid,
		Method: req.Method, URI: req.Path, Body: req.Body, ReceivedAt: events.Millis(time.Now()),
	}
	for name, values := range map[string][]string{"content-type": req.Header["Content-Type"], "x-twilio-signature": req.Header["X-Twilio-Signature"]} {
		raw.Headers = append(raw.Headers, events.Header{Key: name, Value: []byte(values[0])})
	}
	parsed, err := twilio.Parser{}.Parse(&raw)
	require.NoError(t, err)
	rec := raw.Record()
	e := parsed.Message
	e.EventID, e.Receipt, e.ReceivedAt = parsed.EventID, raw.Receipt, raw.ReceivedAt
	e.Org, e.Row, e.ResolvedBy = m.org, m.id, tenantmap.ByResource
	e.Raw, e.Packed = at, events.Pack(&rec)
	out, err := e.Record()
	require.NoError(t, err)
	return toKafka(&out)
}

func toKafka(r *events.Record) *kgo.Record {
	out := &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		out.Headers = append(out.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return out
}

// produce writes records and returns the offset behind the last one of each partition.
func (c *cluster) produce(ctx context.Context, records []*kgo.Record) map[int32]int64 {
	c.t.Helper()
	client := c.client()
	require.NoError(c.t, client.ProduceSync(ctx, records...).FirstErr())
	ends := map[int32]int64{}
	for _, r := range records {
		ends[r.Partition] = max(ends[r.Partition], r.Offset+1)
	}
	return ends
}
