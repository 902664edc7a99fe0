package simulate

import "time"

// forgeries are requests that nobody may take, made of genuine ones.
func (p *playwright) forgeries(genuine []*letter) []*letter {
	var out []*letter
	for _, l := range genuine {
		if l.request != nil && p.chance(p.weather.Forge) {
			r := p.forge(l.request)
			out = append(out, &letter{request: &r, due: l.due.Add(-p.within(gap))})
		}
	}
	return out
}

// The headers that carry signatures.
const (
	twilioSignature = "X-Twilio-Signature"
	stripeSignature = "Stripe-Signature"
	snsType         = "X-Amz-Sns-Message-Type" // signs nothing, but tells a delivery of SNS
)

// forge changes a genuine request so that its signature is wrong, missing or
// somebody else's.
func (p *playwright) forge(genuine *Request) Request {
	r := Request{Method: genuine.Method, Path: genuine.Path, Body: genuine.Body, Header: genuine.Header.Clone()}
	has := func(header string) bool { return r.Header.Get(header) != "" }
	switch {
	case has(stripeSignature):
		return p.forgeStripe(r)
	case has(snsType):
		return p.forgeSNS(r)
	case has(apiKey):
		return p.forgeKey(r, apiKey)
	case has(firehoseKey):
		return p.forgeKey(r, firehoseKey)
	}
	return p.forgeTwilio(r)
}

func (p *playwright) forgeStripe(r Request) Request {
	forged := Stripe{Secret: "whsec_of_nobody"}
	at := time.Now()
	if p.chance(0.5) {
		forged, at = p.cast.Stripe, at.Add(-10*time.Minute) // stale
	}
	return forged.Sign(r.Body, at)
}

func (p *playwright) forgeTwilio(r Request) Request {
	switch p.random.IntN(4) {
	case 0:
		r.Header.Del(twilioSignature)
	case 1: // one bit of it
		signature := []byte(r.Header.Get(twilioSignature))
		signature[3] ^= 1
		r.Header.Set(twilioSignature, string(signature))
	case 2: // one parameter more
		r.Body = append(append([]byte{}, r.Body...), "&Forged=1"...)
	default: // an account that nobody has
		nobody := Twilio{PublicURL: p.cast.Tenants[0].PublicURL, Account: p.id("AC"), Token: secret()}
		return nobody.Status(p.id("SM"), p.cast.Tenants[0].Number, person(p.random), "delivered", "")
	}
	return r
}
