package simulate

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"

	"github.com/google/uuid"

	"waybill/internal/events"
)

// Cast is who plays: organisations with accounts of every provider, and Stripe.
type Cast struct {
	Run     string // 16 hexadecimal digits that no other run has
	Tenants []Tenant
	Stripe  Stripe
}

// Tenant is one organisation with accounts, senders and campaigns of its own.
type Tenant struct {
	Twilio

	Mail     SES     // its e-mails
	Centre   Connect // its contact centre
	Org      events.OrgID
	Name     string
	Number   string
	WhatsApp string
	// Campaigns are the tenant's, by the channel that their messages go by.
	Campaigns map[events.Channel][]string
}

// MaxOrgs is the most organisations of one run: their numbers stay apart.
const MaxOrgs = 10_000

// campaignsEach is how many campaigns a tenant has of a channel. Those of SMS
// send by WhatsApp too.
var campaignsEach = map[events.Channel]int{events.SMS: 2, events.Email: 1, events.Voice: 1}

// NewCast makes up n organisations, whose topics sign with a certificate; nil =
// their topics cannot sign. What is secret or must be new is random each time;
// everything else follows from the run.
func NewCast(n int, publicURL string, certificate *Certificate) Cast {
	id := uuid.New()
	c := Cast{Run: hex.EncodeToString(id[:8]), Stripe: Stripe{Secret: "whsec_" + secret()}}
	first := binary.BigEndian.Uint64(id[8:]) % 1e8 * MaxOrgs
	for i := range n {
		t := Tenant{
			Twilio: Twilio{PublicURL: publicURL, Account: fmt.Sprintf("AC%s%016x", c.Run, i), Token: secret()},
			Org:    events.OrgID(uuid.NewString()), Name: fmt.Sprintf("Simulated %s/%d", c.Run, i),
			Number: fmt.Sprintf("+999%012d", first+uint64(i)), // nobody's: 999 is no country's code (ITU-T E.164)
		}
		t.WhatsApp = "whatsapp:" + t.Number
		topic := func(of string) Topic {
			arn := fmt.Sprintf("arn:aws:sns:eu-west-1:123456789012:simulated-%s-%d-%s", c.Run, i, of)
			return Topic{Certificate: certificate, ARN: arn, Version: []string{"1", "2"}[i%2]}
		}
		t.Mail = SES{Topic: topic("ses"), Identity: fmt.Sprintf("simulated-%s-%d.example", c.Run, i)} // RFC 2606
		t.Centre = Connect{
			Topic: topic("connect"), Instance: "arn:aws:connect:eu-west-1:123456789012:instance/" + uuid.NewString(),
			APIKey: secret(), FirehoseKey: secret(),
		}
		t.Campaigns = map[events.Channel][]string{}
		for channel, n := range campaignsEach {
			for range n {
				t.Campaigns[channel] = append(t.Campaigns[channel], uuid.NewString())
			}
		}
		c.Tenants = append(c.Tenants, t)
	}
	return c
}

// Campaigns returns the campaigns of the cast and whose they are.
func (c *Cast) Campaigns() map[string]events.OrgID {
	all := map[string]events.OrgID{}
	for i := range c.Tenants {
		for _, list := range c.Tenants[i].Campaigns {
			for _, id := range list {
				all[id] = c.Tenants[i].Org
			}
		}
	}
	return all
}

// CanSign tells whether the cast's topics can.
func (c *Cast) CanSign() bool { return len(c.Tenants) > 0 && c.Tenants[0].Mail.Certificate != nil }

func secret() string {
	id := uuid.New()
	return hex.EncodeToString(id[:])
}

// person makes up somebody's number, of the range that is kept for fiction.
func person(r *rand.Rand) string { return fmt.Sprintf("+1202555%04d", 100+r.IntN(100)) }

// mailbox makes up somebody's address, in a domain that is kept for examples.
func mailbox(r *rand.Rand) string { return fmt.Sprintf("person-%d@example.com", r.IntN(10_000)) }
