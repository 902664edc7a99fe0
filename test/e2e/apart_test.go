package e2e_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/app"
	"waybill/internal/config"
	"waybill/internal/events"
	"waybill/internal/operate"
	"waybill/internal/seal"
	"waybill/internal/simulate"
	"waybill/internal/tenants"
	"waybill/internal/testkit"
)

// apart is a Waybill of three processes over a broker and a database of its own,
// with two organisations. What env names stands in the environment of each. Its
// metrics are the router's.
func apart(t *testing.T, env ...string) *house {
	t.Helper()
	db := testkit.Database(t)
	listen, routerAdmin, key := testkit.FreeAddress(t), testkit.FreeAddress(t), seal.NewKey()
	own := &instance{ready: app.Ready{
		HTTPURL: "http://" + listen, AdminURL: "http://" + routerAdmin, PublicURL: "https://hooks.example.com", SecretKey: config.Secret(key),
		KafkaBrokers: testkit.EmbeddedKafka(t, events.Topics(events.Embedded)...).Addr(), DatabaseURL: db.URL(testkit.Operator),
	}}
	start := func(service, admin string, more ...string) {
		more = append(more, "WAYBILL_ADMIN_LISTEN="+admin, "WAYBILL_KAFKA_BROKERS="+own.ready.KafkaBrokers)
		testkit.Start(t, service, append(more, env...))
	}
	start("ingest", testkit.FreeAddress(t), "WAYBILL_LISTEN="+listen, "WAYBILL_PUBLIC_URL="+own.ready.PublicURL, "WAYBILL_SECRET_KEY="+key, "WAYBILL_INGEST_DRAIN_DELAY=0s")
	start("router", routerAdmin, "WAYBILL_DATABASE_URL="+db.URL(testkit.Router))
	start("workers", testkit.FreeAddress(t), "WAYBILL_DATABASE_URL="+db.URL(testkit.Worker))
	require.NoError(t, own.connect())
	t.Cleanup(func() { require.NoError(t, own.close()) })

	h := &house{instance: own, t: t, random: "00112233445566778899aabbccdd"}
	for i, to := range []*tenant{&h.a, &h.b} {
		org, err := h.onboard.NewOrg(t.Context(), "", fmt.Sprint("org ", i), "")
		require.NoError(t, err)
		*to = tenant{
			simulate.Twilio{PublicURL: own.ready.PublicURL, Account: h.id("AC"), Token: h.id("")}, string(org.ID), fmt.Sprintf("+1202555010%d", i),
		}
		_, err = h.onboard.SignUp(t.Context(), operate.Account{
			Provider: tenants.Twilio, Name: to.Account, Orgs: []string{to.org}, Secrets: []operate.Secret{{Value: []byte(to.Token)}},
		})
		require.NoError(t, err)
		_, err = h.onboard.PlaceSender(t.Context(), operate.Sender{Value: to.number, Org: to.org})
		require.NoError(t, err)
		ping := to.Inbound(h.id("SM"), person, to.number, "ping")
		h.until(func() error { // until ingest has heard of the account
			got, err := h.client.Do(t.Context(), &ping)
			if err == nil && got != http.StatusOK {
				err = fmt.Errorf("the account is answered %d", got)
			}
			return err
		})
	}
	return h
}

// Calls go the whole way through the processes that production runs.
func TestCallsThroughProcessesOfTheirOwn(t *testing.T) {
	h := apart(t)
	h.playsAnOutboundCall()
	h.playsAnInboundCall()
}
