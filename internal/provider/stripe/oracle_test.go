package stripe_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v85/webhook"
	"pgregory.net/rapid"

	"waybill/internal/provider/providertest"
	"waybill/internal/provider/stripe"
)

// delivery is one request, and what its header says.
type delivery struct {
	body   string
	at     int64    // the time that is signed
	time   string   // the time as the header has it
	values []string // the pairs beside t
	before string   // what stands before everything else
	secret string   // the endpoint's
	now    time.Time
}

func (d *delivery) header() string {
	pairs := d.values
	if d.time != "" {
		pairs = append([]string{"t=" + d.time}, d.values...)
	}
	return d.before + strings.Join(pairs, ",")
}

// ours tells whether the verifier accepts it.
func (d *delivery) ours(t *rapid.T) bool {
	r := request(d.header(), d.body)
	r.At = d.now
	_, err := stripe.New(stripe.Tolerance).Verify(t.Context(), r, providertest.Register(endpoint, []byte(d.secret)))
	return err == nil
}

// theirs tells whether stripe-go accepts it. It reads the wall clock, so times
// stay away from the edge of the tolerance; the edge itself has its own test.
func (d *delivery) theirs() bool {
	return webhook.ValidatePayloadWithTolerance([]byte(d.body), d.header(), d.secret, stripe.Tolerance) == nil
}

// drawDelivery draws a genuine request, signed by our own reading of the rule
// or by stripe-go, with values beside the good one as while a secret is rolled.
func drawDelivery(t *rapid.T) *delivery {
	d := &delivery{body: rapid.String().Draw(t, "body"), secret: secret, now: time.Now()}
	d.at = d.now.Unix() - rapid.SampledFrom([]int64{0, 1, 100, 250}).Draw(t, "age")
	d.time = fmt.Sprint(d.at)
	good := v1(secret, d.time, d.body)
	if rapid.Bool().Draw(t, "by stripe-go") {
		good = hex.EncodeToString(webhook.ComputeSignature(time.Unix(d.at, 0), []byte(d.body), secret))
	}
	decoy := rapid.SampledFrom([]string{
		"v1=" + v1("other", d.time, d.body), "v1=" + v1(secret, "1", d.body), "v0=" + good, "v1=potato", "v1=", "v1=00", "=", "x=y", " v1=" + good,
	})
	d.values = append(rapid.SliceOfN(decoy, 0, 4).Draw(t, "decoys"), "v1="+good)
	d.values = rapid.Permutation(d.values).Draw(t, "order")
	return d
}

// resign puts another value in the place of the good one.
func (d *delivery) resign(value string) {
	good := "v1=" + v1(d.secret, d.time, d.body)
	for i := range d.values {
		if d.values[i] == good {
			d.values[i] = "v1=" + value
		}
	}
}

// stripeGoDefects is what stripe-go v85.0.0 is known to do otherwise with
// signatures: how to make a request that shows it out of a genuine one, and
// what it answers. When a later one does better, its line fails and goes.
var stripeGoDefects = []struct {
	name    string
	accepts bool // what stripe-go answers; ours is the opposite
	provoke func(t *rapid.T, d *delivery)
}{
	{"any time to come is fresh", true, func(t *rapid.T, d *delivery) {
		ahead := fmt.Sprint(d.now.Unix() + rapid.Int64Range(400, 1e12).Draw(t, "ahead"))
		d.resign(v1(secret, ahead, d.body))
		d.time = ahead
	}},
	{"capitals are hexadecimal digits too", true, func(_ *rapid.T, d *delivery) {
		d.resign(strings.ToUpper(v1(secret, d.time, d.body))) // 64 digits without a letter do not happen
	}},
	{"an empty secret verifies", true, func(_ *rapid.T, d *delivery) {
		d.resign(v1("", d.time, d.body))
		d.secret = ""
	}},
	{"the last of two times counts", true, func(t *rapid.T, d *delivery) {
		d.before = rapid.SampledFrom([]string{"t=1,", "t=" + d.time + ",", "t=99999999999,"}).Draw(t, "first time")
	}},
	{"the number of the time is signed: another text for it is accepted", true, func(t *rapid.T, d *delivery) {
		d.time = rapid.SampledFrom([]string{"0", "+", "+00"}).Draw(t, "sign or zeros") + d.time
	}},
	{"the number of the time is signed: what is signed over its text is refused", false, func(_ *rapid.T, d *delivery) {
		d.resign(v1(secret, "0"+d.time, d.body))
		d.time = "0" + d.time
	}},
	{"any number of values is compared", true, func(t *rapid.T, d *delivery) {
		d.values = append(d.values, strings.Split(strings.Repeat("v1=00,", rapid.IntRange(16, 50).Draw(t, "more"))+"v1=00", ",")...)
	}},
	{"a header of any length is read", true, func(t *rapid.T, d *delivery) {
		d.values = append(d.values, "v0="+strings.Repeat("0", rapid.IntRange(4096, 9000).Draw(t, "bytes")))
	}},
}

// forge changes a request so that it is no longer what was signed in time, and
// says how.
func forge(t *rapid.T, d *delivery) string {
	good := v1(d.secret, d.time, d.body)
	how := rapid.SampledFrom([]string{"body", "value", "secret", "time", "late", "no time", "no value", "malformed"}).Draw(t, "forged")
	switch how {
	case "body":
		d.body += rapid.StringN(1, 5, -1).Draw(t, "added")
	case "value":
		at := rapid.IntRange(0, len(good)-1).Draw(t, "digit")
		d.resign(good[:at] + map[bool]string{true: "1", false: "0"}[good[at] == '0'] + good[at+1:])
	case "secret":
		d.resign(v1("whsec_other", d.time, d.body))
	case "time":
		d.time = fmt.Sprint(d.at - 1)
	case "late":
		late := fmt.Sprint(d.now.Unix() - rapid.Int64Range(400, 1e9).Draw(t, "age"))
		d.resign(v1(d.secret, late, d.body))
		d.time = late
	case "no time":
		d.time = ""
	case "no value":
		d.values = []string{"v0=" + good}
	case "malformed":
		d.values = append(d.values, rapid.SampledFrom([]string{"v1", "", "a=b=c", "v1=a=", "v1=" + good + "=", "t="}).Draw(t, "odd"))
	}
	return how
}

// Stripe's own Go library is the oracle of the signature, save for its listed
// defects: what either signs both accept, what was changed both refuse.
func TestAgreesWithStripeGo(t *testing.T) {
	t.Parallel()
	counts := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		d := drawDelivery(t)
		require.True(t, d.ours(t), "ours refuses what is genuine: %q", d.header())
		require.True(t, d.theirs(), "stripe-go refuses what is genuine: %q", d.header())
		counts["genuine, both accept"]++

		how := forge(t, d)
		require.False(t, d.ours(t), "ours accepts another %s: %q", how, d.header())
		require.False(t, d.theirs(), "stripe-go accepts another %s: %q", how, d.header())
		counts["forged, both refuse"]++
	})
	t.Log("stripe-go:", counts)
}

// Every listed defect shows in every request that is made to show it; changed
// as well, both refuse, or it is that defect.
func TestStripeGoSignatureDefects(t *testing.T) {
	t.Parallel()
	for _, defect := range stripeGoDefects {
		t.Run(defect.name, func(t *testing.T) {
			t.Parallel()
			shown, refused := 0, 0
			rapid.Check(t, func(t *rapid.T) {
				d := drawDelivery(t)
				defect.provoke(t, d)
				require.Equal(t, defect.accepts, d.theirs(), "stripe-go: %q", d.header())
				require.Equal(t, !defect.accepts, d.ours(t), "ours: %q", d.header())
				shown++

				how := forge(t, d)
				if theirs := d.theirs(); theirs != d.ours(t) {
					require.Equal(t, defect.accepts, theirs, "another %s: %q", how, d.header())
					return
				}
				refused++
			})
			t.Logf("stripe-go wrongly %s %d generated requests; of those changed as well both refused %d",
				map[bool]string{true: "accepts", false: "refuses"}[defect.accepts], shown, refused)
		})
	}
}

// Any bytes that stripe-go signs, we accept.
func TestAcceptsWhatStripeGoSigns(t *testing.T) {
	t.Parallel()
	s := stripe.New(stripe.Tolerance)
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: secret, Timestamp: received})
		_, err := s.Verify(t.Context(), request(signed.Header, string(body)), registered())
		require.NoError(t, err)
	})
}
