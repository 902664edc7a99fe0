package simulate

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"

	"github.com/google/uuid"

	"waybill/internal/events"
)

// Cast is who plays: organisations with their Twilio accounts, and Stripe.
type Cast struct {
	Run     string // 16 hexadecimal digits that no other run has
	Tenants []Tenant
	Stripe  Stripe
}

// Tenant is one organisation with an account, senders and campaigns of its own.
type Tenant struct {
	Twilio

	Org       events.OrgID
	Name      string
	Number    string
	WhatsApp  string
	Campaigns []string
}

// MaxOrgs is the most organisations of one run: their numbers stay apart.
const MaxOrgs = 10_000

const campaignsEach = 2

// NewCast makes up n organisations. What is secret or must be new is random
// each time; everything else follows from the run.
func NewCast(n int, publicURL string) Cast {
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
		for range campaignsEach {
			t.Campaigns = append(t.Campaigns, uuid.NewString())
		}
		c.Tenants = append(c.Tenants, t)
	}
	return c
}

func secret() string {
	id := uuid.New()
	return hex.EncodeToString(id[:])
}

// person makes up somebody's number, of the range that is kept for fiction.
func person(r *rand.Rand) string { return fmt.Sprintf("+1202555%04d", 100+r.IntN(100)) }
