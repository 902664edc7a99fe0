package simulate

import (
	"encoding/json"
	"time"
)

// forgeSNS changes a delivery of a topic: what it says, who signed it, where its
// certificate lies, whose topic it is.
func (p *playwright) forgeSNS(r Request) Request {
	fields := map[string]string{}
	if err := json.Unmarshal(r.Body, &fields); err != nil {
		return p.forgeTwilio(r) // cannot be: it was made here
	}
	switch p.random.IntN(7) {
	case 0:
		fields["Message"] += " "
	case 1:
		delete(fields, "Signature")
	case 2: // one bit of it
		signature := []byte(fields["Signature"])
		signature[3] ^= 1
		fields["Signature"] = string(signature)
	case 3:
		fields["SignatureVersion"] = "3"
	case 4:
		fields["SigningCertURL"] = "https://sns.eu-west-1.amazonaws.com.example.com/" + p.cast.Tenants[0].Mail.File
	case 5: // well signed, but the topic is nobody's
		t := p.cast.Tenants[0].Mail.Topic
		t.ARN += "-of-nobody"
		return t.Deliver(r.Path, fields["MessageId"], fields["Message"], time.Now())
	default: // raw delivery is never signed
		r.Header.Set("X-Amz-Sns-Rawdelivery", "true")
	}
	body, err := json.Marshal(fields)
	if err == nil {
		r.Body = body
	}
	return r
}

// forgeKey presents a key that nobody has, or none.
func (p *playwright) forgeKey(r Request, header string) Request {
	if p.chance(0.5) {
		r.Header.Del(header)
	} else {
		r.Header.Set(header, secret())
	}
	return r
}
