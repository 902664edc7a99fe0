package simulate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// greetWithin is how long the newest account may stay unknown to ingest.
const greetWithin = 30 * time.Second

// greetings are more ids than greeting makes up.
const greetings = 1 << 20

// errNothingPlayed is why there is nothing to compare.
var errNothingPlayed = errors.New("ended before anything was played")

// greet waits until ingest knows every account that plays: each sends something
// until it is accepted.
func (r *run) greet(ctx context.Context) error {
	r.say("waiting until ingest knows the accounts of %d organisations", len(r.Cast.Tenants))
	p := r.playwright(2, 0)
	deadline := time.Now().Add(greetWithin)
	for i := range r.Cast.Tenants {
		for _, l := range p.greetings(&r.Cast.Tenants[i], time.Now()) {
			if err := r.insist(ctx, l, deadline); err != nil {
				return err
			}
		}
	}
	return nil
}

// greetings are one request by each account of a tenant that the mix needs.
func (p *playwright) greetings(t *Tenant, at time.Time) []*letter {
	var letters []*letter
	if p.mix[Messages]+p.mix[Calls] > 0 {
		letters = append(letters, p.inbound(t, at)...)
	}
	if p.mix[Emails] > 0 {
		setUp := t.Mail.SetUp(p.uuid(), at)
		letters = append(letters, &letter{request: &setUp}) // about no e-mail
	}
	if p.mix[Contacts] > 0 {
		empty := t.Centre.Records(p.uuid(), [][]byte{nil}, false, at) // about no contact
		letters = append(letters, &letter{request: &empty})
		r, k := p.contact(t, at)
		letters = append(letters, p.byEveryWay(r, t, k, &ContactEvent{ID: p.uuid(), Type: "INITIATED", At: k.Initiated}, "initiated", at)...)
	}
	return letters
}

// insist sends a letter until it is acknowledged.
func (r *run) insist(ctx context.Context, l *letter, deadline time.Time) error {
	for {
		status, err := r.client.Do(ctx, l.request)
		switch {
		case err == nil && httpOK(status):
			l.accepted()
			return nil
		case err != nil || status/100 == 5:
			l.unsure(1)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s of a new account is not accepted: the last answer was %s; does ingest run at %s with this broker, a router beside it, WAYBILL_PUBLIC_URL=%s and the same WAYBILL_SNS_CERT_DIR?",
				l.request.Path, answer(status, err), r.URL, r.Cast.Tenants[0].PublicURL)
		}
		select {
		case <-r.End:
			return errNothingPlayed
		default:
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// playwright returns one that makes up ids from a number on.
func (r *run) playwright(seed, number uint64) *playwright {
	return &playwright{
		cast: &r.Cast, mix: r.Mix, weather: r.Weather, model: &r.model, number: number,
		random: rand.New(rand.NewPCG(r.Seed, seed)), //nolint:gosec // it plays, it hides nothing
	}
}
