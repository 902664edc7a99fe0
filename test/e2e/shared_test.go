package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/operate"
	"waybill/internal/simulate"
	"waybill/internal/tenants"
)

// sharedNumber is a number that both organisations send from, and the platform's
// account that it belongs to.
type sharedNumber struct {
	*house
	simulate.Twilio

	number string
}

func openShared(t *testing.T) *sharedNumber {
	t.Helper()
	h := open(t)
	s := &sharedNumber{house: h, Twilio: simulate.Twilio{PublicURL: h.ready.PublicURL, Account: h.id("AC"), Token: h.id("")}}
	s.number = fmt.Sprintf("+1202%010d", time.Now().UnixNano()%1e10) // never used before
	_, err := h.onboard.SignUp(t.Context(), operate.Account{
		Provider: tenants.Twilio, Name: s.Account, Platform: true, Secrets: []operate.Secret{{Value: []byte(s.Token)}},
	})
	require.NoError(t, err)
	for _, by := range []tenant{h.a, h.b} {
		_, err := h.onboard.PlaceSender(t.Context(), operate.Sender{Value: s.number, Org: by.org, Shared: true})
		require.NoError(t, err)
	}
	// Until ingest has heard of the account.
	ping := s.Inbound(h.id("SM"), "+12025550199", s.number, "ping")
	h.until(func() error {
		got, err := h.client.Do(t.Context(), &ping)
		if err == nil && got != http.StatusOK {
			err = fmt.Errorf("the account is answered %d", got)
		}
		return err
	})
	return s
}

// wrote records that an organisation wrote to a person from the number so long
// ago, and waits for its row.
func (s *sharedNumber) wrote(by tenant, to string, ago time.Duration) {
	s.t.Helper()
	sid, at := s.id("SM"), time.Now().Add(-ago)
	s.send(events.Send{Org: events.OrgID(by.org), Account: s.Account, ProviderID: sid, From: s.number, To: to, SentAt: &at})
	s.row(sid, "accepted")
}

// says posts what a person writes to the number, and returns the message's SID.
func (s *sharedNumber) says(person, body string) string {
	s.t.Helper()
	sid := s.id("SM")
	s.call(s.Inbound(sid, person, s.number, body), http.StatusOK)
	return sid
}

func TestASharedNumberKeepsConversationsApart(t *testing.T) {
	s := openShared(t)
	const ann, bob = "+12025550171", "+12025550172"
	s.wrote(s.a, ann, time.Hour)
	s.wrote(s.b, bob, time.Hour)
	s.wrote(s.b, ann, 2*time.Hour)
	for person, org := range map[string]string{ann: s.a.org, bob: s.b.org} {
		r := s.row(s.says(person, "hello"), "received")
		require.Equal(t, org, string(r.Org))
	}
	s.wrote(s.b, ann, 0)
	require.Equal(t, s.b.org, string(s.row(s.says(ann, "and hello to you"), "received").Org))

	// What came before its conversation was known waits for it.
	const eve = "+12025550173"
	sid := s.says(eve, "who are you?")
	e := s.event(sid, func(e *history.Event) bool { return e.Outcome == events.Parked })
	require.Equal(t, "no_conversation", e.Reason)
	s.wrote(s.a, eve, time.Minute)
	require.Equal(t, s.a.org, string(s.row(sid, "received").Org))
}

func TestStopAtASharedNumberOptsOutOfEveryConversation(t *testing.T) {
	s := openShared(t)
	heard := s.listen()
	const ann, counter = "+12025550174", "waybill_router_consents_total"
	before := s.figures(counter)[counter]
	s.wrote(s.a, ann, time.Hour)
	s.wrote(s.b, ann, time.Minute)
	stop := s.Inbound(s.id("SM"), ann, s.number, "Stop")
	sid := "SM" + s.random + fmt.Sprintf("%04x", s.ids)
	s.call(stop, http.StatusOK)
	message := heard(sid, events.KindMessage, s.b.org) // an answer to who wrote last
	s.row(sid, "received")
	told := heard(sid, events.KindConsent, s.a.org)
	require.Equal(t, ann, told.From)
	require.Equal(t, s.number, told.To)
	require.Equal(t, "STOP", told.Body)
	require.Empty(t, told.Packed)
	require.Equal(t, message.Receipt, told.Receipt)

	s.optedOut(ann, s.a.org, s.b.org)

	// The provider repeats itself: nobody hears anything new of it.
	s.call(stop, http.StatusOK)
	s.event(sid, func(e *history.Event) bool { return e.ID == message.EventID && e.Duplicates == 1 })

	// A message that is no request is nobody else's business.
	other := s.says(ann, "Stop it, please")
	s.row(other, "received")
	heard(other, events.KindMessage, s.b.org)

	// Whoever is recorded as having written only later hears of it, too.
	const bob = "+12025550175"
	s.wrote(s.a, bob, time.Minute)
	late := s.says(bob, "STOP")
	heard(late, events.KindMessage, s.a.org)
	s.wrote(s.b, bob, time.Hour)
	require.Equal(t, bob, heard(late, events.KindConsent, s.b.org).From)

	s.optedOut(bob, s.a.org, s.b.org)

	a := &operate.Audit{Ledger: s.inspect, Log: s.kafka}
	require.NoError(t, a.Wait(t.Context(), patience))
	b, err := a.Run(t.Context(), time.Time{})
	require.NoError(t, err)
	require.True(t, b.Balanced, "%+v", b)
	require.InDelta(t, before+2, s.figures(counter)[counter], 0, "two requests, one other organisation each, one event each")
}

// optedOut waits until a person is opted out of organisations, and of no others.
func (s *sharedNumber) optedOut(person string, orgs ...string) {
	s.t.Helper()
	slices.Sort(orgs)
	s.until(func() error {
		var out []string
		for _, c := range s.story(person).Consents {
			if c.OptedOut && c.Sender == s.number {
				out = append(out, string(c.Org))
			}
		}
		if slices.Sort(out); !slices.Equal(orgs, out) {
			return fmt.Errorf("%s is opted out of %v, not %v", person, out, orgs)
		}
		return nil
	})
}

// listen follows the messages topic. What it returns waits for the one event
// that an id, a kind and an organisation name, and wants it to be the only one
// of its kind that the id has.
func (s *sharedNumber) listen() func(sid string, kind events.Kind, org string) events.Message {
	s.t.Helper()
	var mu sync.Mutex
	seen := map[events.EventID]events.Message{}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.kafka.Follow(ctx, events.TopicMessages, func(records []events.Record, _ bool) {
			mu.Lock()
			defer mu.Unlock()
			for i := range records {
				if m, err := events.DecodeMessage(&records[i]); err == nil {
					seen[m.EventID] = m
				}
			}
		})
	}()
	s.t.Cleanup(func() { stop(); <-done })
	return func(sid string, kind events.Kind, org string) (found events.Message) {
		s.t.Helper()
		s.until(func() error {
			mu.Lock()
			defer mu.Unlock()
			var of []events.Message
			for _, id := range slices.Sorted(maps.Keys(seen)) {
				if m := seen[id]; m.ProviderID == sid && m.Kind == kind {
					of = append(of, m)
				}
			}
			if len(of) != 1 || string(of[0].Org) != org {
				return fmt.Errorf("%s has %d events of kind %s", sid, len(of), kind)
			}
			found = of[0]
			return nil
		})
		return found
	}
}
