package stripe_test

import (
	"testing"

	"waybill/internal/provider"
	"waybill/internal/provider/providertest"
	"waybill/internal/provider/stripe"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	s := stripe.New(stripe.Tolerance)
	one := func(name, body string) providertest.Case {
		r := request("", body)
		r.At = received
		return providertest.Case{
			Name: name, Verifier: s, Parser: stripe.Parser{}, Signer: endpoint, Request: *r,
			Header: "Stripe-Signature", SignsBody: true,
			Sign: func(r *provider.Request, secret []byte) {
				r.Header.Set("Stripe-Signature", header(string(secret), r.At, string(r.Body)))
			},
		}
	}
	providertest.Suite(t,
		one("snapshot", subscriptionUpdated),
		one("thin", `{"id":"evt_2","object":"v2.core.event","type":"v1.billing.meter.error_report_triggered","livemode":false,"created":"2024-09-17T06:20:52.246Z","related_object":{"id":"mtr_1"}}`),
	)
}
