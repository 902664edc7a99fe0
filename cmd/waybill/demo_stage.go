package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"waybill/internal/app"
	"waybill/internal/bus/kafkabus"
	"waybill/internal/config"
	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/operate"
	"waybill/internal/postgres"
	"waybill/internal/simulate"
)

// stage is where the demo is played: the providers on one side, what can be
// read back on the other.
type stage struct {
	ctx      context.Context //nolint:containedctx // one demo, one context
	session  *session
	seed     app.Seed
	client   *simulate.Client
	a, b     simulate.Twilio
	mail     simulate.SES     // of the first organisation
	centre   simulate.Connect // of the first organisation
	stripe   simulate.Stripe
	kafka    *kafkabus.Client
	db       *postgres.DB
	inspect  *postgres.Inspect
	prefix   string // of this run's message SIDs
	campaign string
	repeat   simulate.Request // the first scene's last callback
	seen     []string
	close    func() // gives everything back
}

const (
	demoPerson   = "+12025550177" // of the range that is kept for fiction
	demoPatience = 10 * time.Second
	demoPoll     = 20 * time.Millisecond
)

func newStage(ctx context.Context, s *session, r app.Ready) (*stage, error) {
	certificate, err := simulate.ReadCertificate(r.SNSCertDir)
	if err != nil {
		return nil, err
	}
	db, err := postgres.Open(ctx, postgres.Config{URL: config.Secret(r.DatabaseURL), MaxConns: fewConnections})
	if err != nil {
		return nil, err
	}
	kafka, err := kafkabus.New(kafkabus.Config{Brokers: []string{r.KafkaBrokers}}, quiet(s), nil)
	if err != nil {
		db.Close()
		return nil, err
	}
	random := make([]byte, 14)
	_, _ = rand.Read(random) // never fails
	account := func(o app.SeedOrg) simulate.Twilio {
		return simulate.Twilio{PublicURL: r.PublicURL, Account: o.AccountSID, Token: o.AuthToken}
	}
	first := r.Seed.Orgs[0]
	topic := func(arn string) simulate.Topic {
		return simulate.Topic{Certificate: certificate, ARN: arn, Version: "2"}
	}
	st := &stage{
		ctx: ctx, session: s, seed: r.Seed, client: simulate.NewClient(r.HTTPURL, 4),
		mail:   simulate.SES{Topic: topic(first.SESTopic), Identity: first.EmailIdentity},
		centre: simulate.Connect{Topic: topic(first.ConnectTopic), Instance: first.ConnectInstance, APIKey: first.ConnectAPIKey, FirehoseKey: first.FirehoseKey},
		a:      account(r.Seed.Orgs[0]), b: account(r.Seed.Orgs[1]), stripe: simulate.Stripe{Secret: r.Seed.StripeSecret},
		kafka: kafka, db: db, inspect: postgres.NewInspect(db),
		prefix: hex.EncodeToString(random), campaign: uuid.NewString(),
	}
	st.close = func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
		defer cancel()
		_ = kafka.Close(stop)
		db.Close()
		st.client.Close()
	}
	return st, nil
}

// sid returns the SID of this run's n-th message.
func (st *stage) sid(n int) string { return fmt.Sprintf("SM%s%04x", st.prefix, n) }

// send records a message of the first organisation's campaign.
func (st *stage) send(n int) error {
	return st.record(events.Send{
		Channel: events.SMS, Provider: events.Twilio, Account: st.a.Account,
		ProviderID: st.sid(n), From: st.seed.Orgs[0].Number, To: demoPerson, CampaignID: st.campaign, Status: "accepted",
	})
}

// record records a send of the first organisation, as its sender would.
func (st *stage) record(s events.Send) error {
	now := time.Now().UTC()
	s.Org, s.SentAt = events.OrgID(st.seed.Orgs[0].ID), &now
	line, err := json.Marshal(s)
	if err != nil {
		return err
	}
	sent, err := operate.RecordSends(st.ctx, bytes.NewReader(line), st.kafka, time.Now, func(int) {})
	if err == nil && sent.Published != 1 {
		err = fmt.Errorf("the send record was rejected: %v", sent.Rejected)
	}
	return err
}

// status returns a status callback of the first organisation's n-th message,
// signed by an account.
func (st *stage) status(signer simulate.Twilio, n int, status, code string) simulate.Request {
	return signer.Status(st.sid(n), st.seed.Orgs[0].Number, demoPerson, status, code)
}

// call sends a callback that must be answered with a status.
func (st *stage) call(r simulate.Request, want int) error {
	got, err := st.client.Do(st.ctx, &r)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("the callback was answered %d, not %d", got, want)
	}
	return nil
}

// until asks again until fn holds; what it still misses is the error.
func (st *stage) until(fn func() error) error {
	deadline := time.Now().Add(demoPatience)
	for {
		err := fn()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		t := time.NewTimer(demoPoll)
		select {
		case <-st.ctx.Done():
			t.Stop()
			return st.ctx.Err()
		case <-t.C:
		}
	}
}

// story reads an id's story.
func (st *stage) story(id string) (operate.Story, error) {
	return operate.Trace(st.ctx, st.inspect, id, "")
}

// row waits until a message's row has a status, and returns its story.
func (st *stage) row(id, status string) (story operate.Story, err error) {
	err = st.until(func() error {
		if story, err = st.story(id); err != nil {
			return err
		}
		if story.Resource == nil || story.Resource.Status != status {
			return fmt.Errorf("the row of %s is not %s yet", id, status)
		}
		return nil
	})
	return story, err
}

// event waits until an id's story has an event that fits.
func (st *stage) event(id, what string, fits func(*history.Event) bool) (found history.Event, err error) {
	err = st.until(func() error {
		story, err := st.story(id)
		if err != nil {
			return err
		}
		for i := range story.Events {
			if fits(&story.Events[i]) {
				found = story.Events[i]
				return nil
			}
		}
		return errors.New("no event is " + what + " yet")
	})
	return found, err
}
