package stripe_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/provider/stripe"
)

func TestParse(t *testing.T) {
	t.Parallel()
	at := time.Unix(1795420800, 0).UTC()
	for _, c := range []struct {
		name, signer, body string
		want               events.Billing
	}{
		{"subscription", "live", subscriptionUpdated, events.Billing{
			StripeID: "evt_1", Mode: "live", Type: "customer.subscription.updated", Version: "2026-09-30.dahlia",
			Object: "sub_1", Account: "acct_1", Created: at,
			Subscription: &events.ObjectChange{ID: "sub_1", Customer: "cus_1", Status: "past_due", Previous: "active"},
		}},
		{"expanded customer", "test", `{"id":"evt_1","object":"event","created":1795420800,"type":"customer.subscription.created","data":{"object":{"id":"sub_1","customer":{"id":"cus_2"},"status":"trialing"}}}`, events.Billing{
			StripeID: "evt_1", Mode: "test", Type: "customer.subscription.created", Object: "sub_1", Created: at,
			Subscription: &events.ObjectChange{ID: "sub_1", Customer: "cus_2", Status: "trialing"},
		}},
		{"thin", "test", `{"id":"evt_2","object":"v2.core.event","type":"v2.core.account.updated","created":"2025-10-04T15:13:32.232083866Z","context":"acct_123","related_object":{"id":"acct_9"}}`, events.Billing{
			StripeID: "evt_2", Mode: "test", Type: "v2.core.account.updated", Object: "acct_9", Account: "acct_123",
			Created: time.Date(2025, 10, 4, 15, 13, 32, 232083866, time.UTC),
		}},
		{"thin of an organisation's account", "test", `{"id":"evt_2","object":"v2.core.event","type":"a.b","context":"org_1/acct_2"}`, events.Billing{
			StripeID: "evt_2", Mode: "test", Type: "a.b", Account: "acct_2",
		}},
		{"thin about a subscription", "test", `{"id":"evt_2","object":"v2.core.event","type":"customer.subscription.updated"}`, events.Billing{
			StripeID: "evt_2", Mode: "test", Type: "customer.subscription.updated",
		}},
		{"unknown type and version", "live", `{"id":"evt_3","object":"event","type":"a.b","api_version":"2099-01-01.x","created":null,"amount":1e999,"context":"acct_1"}`, events.Billing{
			StripeID: "evt_3", Mode: "live", Type: "a.b", Version: "2099-01-01.x",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.want.ReceivedAt = received
			got, err := stripe.Parser{}.Parse(rawOf(c.signer, c.body))
			require.NoError(t, err)
			want := provider.Parsed{
				EventID: events.NewEventID(events.Stripe, c.signer, events.KindStripe, c.want.StripeID),
				Billing: &c.want,
			}
			require.Empty(t, cmp.Diff(want, got))
			_, err = got.Billing.Record()
			require.NoError(t, err)
		})
	}
}

// What an event says of an invoice, a charge or a checkout session. One that
// says nothing is no dead letter.
func TestPayments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, typ, object, previous, want string }{
		{"invoice", "invoice.updated", `"object":"invoice","id":"in_1","status":"paid"`, `{"status":"open"}`, "invoice paid, open before"},
		{"invoice, something else changed", "invoice.updated", `"object":"invoice","id":"in_1","status":"open"`, `{"number":null}`, "invoice open"},
		{"invoice of 2011", "invoice.created", `"object":"invoice","id":"in_1","paid":true`, `null`, ""},
		{"invoice to come", "invoice.upcoming", `"object":"invoice","status":"draft"`, `null`, ""},
		{"invoice thrown away", "invoice.deleted", `"object":"invoice","id":"in_1","status":"draft"`, `null`, "invoice deleted"},
		{"odd status", "invoice.paid", `"object":"invoice","id":"in_1","status":"Paid off"`, `null`, ""},
		{"charge", "charge.succeeded", `"object":"charge","id":"ch_1","status":"succeeded","amount_refunded":0,"refunded":false`, `null`, "charge succeeded"},
		{"part of a charge", "charge.refunded", `"object":"charge","id":"ch_1","status":"succeeded","amount_refunded":5,"refunded":false`, `{"amount_refunded":0}`, "charge partially_refunded, succeeded before"},
		{"the rest of it", "charge.refunded", `"object":"charge","id":"ch_1","status":"succeeded","amount_refunded":9,"refunded":true`, `{"amount_refunded":5,"refunded":false}`, "charge refunded, partially_refunded before"},
		{"charge that failed", "charge.failed", `"object":"charge","id":"ch_1","status":"failed","refunded":false`, `[]`, "charge failed"},
		{"session, open", "checkout.session.completed", `"object":"checkout.session","id":"cs_1","status":"open","payment_status":"unpaid"`, `null`, "checkout_session open"},
		{"session, complete", "checkout.session.completed", `"object":"checkout.session","id":"cs_1","status":"complete","payment_status":"unpaid"`, `null`, "checkout_session unpaid"},
		{"dispute", "charge.dispute.created", `"object":"dispute","id":"dp_1","status":"lost"`, `null`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := stripe.Parser{}.Parse(rawOf("live", `{"id":"evt_1","object":"event","created":1795420800,"type":"`+c.typ+
				`","data":{"object":{`+c.object+`,"customer":{"id":"cus_1"}},"previous_attributes":`+c.previous+`}}`))
			require.NoError(t, err)
			require.Equal(t, c.want, paymentOf(p.Billing))
			if c.want != "" {
				require.Equal(t, "cus_1", p.Billing.Payment.Customer)
				require.Equal(t, p.Billing.Object, p.Billing.Payment.ID)
			}
		})
	}
}

func TestUnusable(t *testing.T) {
	t.Parallel()
	event := func(fields string) string { return `{"id":"evt_1","object":"event",` + fields + `}` }
	subscription := func(object, rest string) string {
		return event(`"type":"customer.subscription.updated","created":1,"data":{"object":` + object + rest + `}`)
	}
	cases := []struct{ name, body, reason string }{
		{"not JSON", "hello", "undecodable"},
		{"nothing", "", "undecodable"},
		{"a list", "[]", "undecodable"},
		{"two documents", "{}{}", "undecodable"},
		{"deep", event(`"data":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000)), "undecodable"},
		{"null", "null", "bad_id"},
		{"no id", `{"object":"event"}`, "bad_id"},
		{"id is a number", `{"id":1e999,"object":"event"}`, "bad_id"},
		{"id is too long", `{"id":"` + strings.Repeat("e", 256) + `","object":"event"}`, "bad_id"},
		{"id with NUL", `{"id":"evt\u0000","object":"event"}`, "bad_id"},
		{"id with a slash", `{"id":"evt/1","object":"event"}`, "bad_id"},
		{"no object", `{"id":"evt_1"}`, "not_an_event"},
		{"another object", `{"id":"evt_1","object":"invoice"}`, "not_an_event"},
		{"long type", event(`"type":"` + strings.Repeat("t", 129) + `"`), "bad_type"},
		{"long version", event(`"api_version":"` + strings.Repeat("v", 65) + `"`), "bad_api_version"},
		{"created in words", event(`"created":"yesterday"`), "bad_created"},
		{"created huge", event(`"created":1e999`), "bad_created"},
		{"created beyond time", event(`"created":253402300800`), "bad_created"},
		{"created before time", event(`"created":-1`), "bad_created"},
		{"created beyond RFC 3339", event(`"created":"0000-01-01T00:00:00Z"`), "bad_created"},
		{"created is a list", event(`"created":[1]`), "bad_created"},
		{"subscription without id", subscription(`{"status":"active"}`, ""), "bad_subscription"},
		{"subscription without status", subscription(`{"id":"sub_1"}`, ""), "bad_subscription"},
		{"subscription with odd status", subscription(`{"id":"sub_1","status":"a b"}`, ""), "bad_subscription"},
		{"subscription with odd past", subscription(`{"id":"sub_1","status":"active"}`, `,"previous_attributes":{"status":"A"}`), "bad_subscription"},
		{"subscription without object", event(`"type":"customer.subscription.deleted","created":1`), "bad_subscription"},
		{"invoice without a time", event(`"type":"invoice.paid","data":{"object":{"id":"in_1","object":"invoice","status":"paid"}}`), "bad_created"},
		{"subscription without a time", event(`"type":"customer.subscription.updated","data":{"object":{"id":"sub_1","status":"active"}}`), "bad_created"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := stripe.Parser{}.Parse(rawOf("live", c.body))
			require.Equal(t, c.reason, fault.ReasonOf(err))
			require.Equal(t, fault.Invalid, fault.ClassOf(err))
			require.Nil(t, p.Billing)
			if c.reason == "undecodable" || c.reason == "bad_id" {
				require.Empty(t, p.EventID)
			} else {
				require.Equal(t, events.EventID("stripe/live/stripe.event/evt_1"), p.EventID)
			}
		})
	}
}
