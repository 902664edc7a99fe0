package stripe_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"waybill/internal/events"
	"waybill/internal/provider"
	"waybill/internal/provider/providertest"
)

const (
	secret   = "whsec_test_secret"
	endpoint = "default"
	uri      = "/api/webhooks/stripe"
)

var received = time.Date(2026, 11, 23, 10, 0, 0, 500e6, time.UTC)

// v1 is the tests' own reading of Stripe's rule.
func v1(with, at, body string) string {
	mac := hmac.New(sha256.New, []byte(with))
	fmt.Fprintf(mac, "%s.%s", at, body)
	return hex.EncodeToString(mac.Sum(nil))
}

// header returns a Stripe-Signature made at a time.
func header(with string, at time.Time, body string) string {
	t := fmt.Sprint(at.Unix())
	return "t=" + t + ",v1=" + v1(with, t, body)
}

// request returns a request with any signature, "" for none.
func request(signature, body string) *provider.Request {
	r := &provider.Request{
		Kind: events.KindStripe, Method: http.MethodPost, URI: uri, Body: []byte(body), At: received,
		Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}},
	}
	if signature != "" {
		r.Header.Set("Stripe-Signature", signature)
	}
	return r
}

func registered() providertest.Signers { return providertest.Register(endpoint, []byte(secret)) }

// rawOf returns a body as ingest would keep it.
func rawOf(signer, body string) *events.Raw {
	return &events.Raw{
		Receipt: events.NewReceiptID(), Provider: events.Stripe, Kind: events.KindStripe, Signer: signer, Key: "k",
		Method: http.MethodPost, URI: uri, Body: []byte(body), ReceivedAt: received,
	}
}

const subscriptionUpdated = `{"id":"evt_1","object":"event","api_version":"2026-09-30.dahlia","created":1795420800,"livemode":true,` +
	`"account":"acct_1","type":"customer.subscription.updated","data":{"object":{"id":"sub_1","object":"subscription",` +
	`"customer":"cus_1","status":"past_due"},"previous_attributes":{"status":"active"}}}`
