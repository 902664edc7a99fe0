package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/ingest"
	"waybill/internal/operate"
	"waybill/internal/simulate"
)

// delivered: a send record, its callbacks, the row, and what senders are told.
func (st *stage) delivered() error {
	if err := st.send(1); err != nil {
		return err
	}
	for _, s := range []string{"queued", "sent", "delivered"} {
		r := st.status(st.a, 1, s, "")
		if err := st.call(r, http.StatusNoContent); err != nil {
			return err
		}
		if _, err := st.row(st.sid(1), s); err != nil {
			return err
		}
		st.repeat = r
	}
	story, err := st.row(st.sid(1), "delivered")
	if err != nil {
		return err
	}
	st.saw("row of %s, organisation %s: %s", st.sid(1), story.Resource.Org, story.Resource.Status)
	told, err := st.told(story.Resource.ID, "delivered")
	if err != nil {
		return err
	}
	st.saw("status topic: %s", told)
	return nil
}

// told waits until the status topic holds a message's last status, and returns
// what it holds of the message, by version.
func (st *stage) told(row, last string) (told string, err error) {
	err = st.until(func() error {
		var said []string
		err := st.kafka.Scan(st.ctx, events.TopicStatusMessages, func(records []events.Record) error {
			for i := range records {
				s, err := events.DecodeStatus(&records[i])
				if err != nil {
					return err
				}
				if string(s.ID) == row {
					said = append(said, fmt.Sprintf("v%d %s", s.Version, s.Status))
				}
			}
			return nil
		})
		if told = strings.Join(said, ", "); err == nil && !strings.HasSuffix(told, last) {
			err = errors.New("the status topic does not say so yet")
		}
		return err
	})
	return told, err
}

// inbound: somebody writes to the second organisation's number.
func (st *stage) inbound() error {
	org := st.seed.Orgs[1]
	r := st.b.Inbound(st.sid(2), demoPerson, org.Number, "When do you open?")
	if err := st.call(r, http.StatusOK); err != nil {
		return err
	}
	story, err := st.row(st.sid(2), "received")
	if err != nil {
		return err
	}
	if string(story.Resource.Org) != org.ID {
		return fmt.Errorf("it landed in organisation %s", story.Resource.Org)
	}
	st.saw("row in %s (%s), resolved by %s", org.Name, org.ID, story.Events[0].ResolvedBy)
	return nil
}

// subscription: Stripe is global.
func (st *stage) subscription() error {
	id, now := "sub_"+st.prefix, time.Now()
	for i, e := range []simulate.SubscriptionEvent{
		{Type: "customer.subscription.created", Status: "incomplete"},
		{Type: "customer.subscription.updated", Status: "active", Previous: "incomplete"},
	} {
		e.EventID, e.Subscription, e.Customer, e.Created = fmt.Sprintf("evt_%s%d", st.prefix, i), id, "cus_"+st.prefix, now
		r, err := st.stripe.Subscription(e, now)
		if err != nil {
			return err
		}
		if err := st.call(r, http.StatusOK); err != nil {
			return err
		}
	}
	story, err := st.row(id, "active")
	if err != nil {
		return err
	}
	st.saw("subscription %s: %s, organisation: none", story.Resource.ID, story.Resource.Status)
	return nil
}

// duplicate: the provider repeats itself.
func (st *stage) duplicate() error {
	if err := st.call(st.repeat, http.StatusNoContent); err != nil {
		return err
	}
	e, err := st.event(st.sid(1), "repeated", func(e *history.Event) bool { return e.Status == "delivered" && e.Duplicates == 1 })
	if err != nil {
		return err
	}
	story, err := st.story(st.sid(1))
	if err != nil {
		return err
	}
	st.saw("%s: %s once, duplicates %d, row still at version %d", e.Status, e.Outcome, e.Duplicates, story.Resource.Version)
	return nil
}

// early: the callback overtakes the send record.
func (st *stage) early() error {
	if err := st.call(st.status(st.a, 3, "delivered", ""), http.StatusNoContent); err != nil {
		return err
	}
	e, err := st.event(st.sid(3), "parked", func(e *history.Event) bool { return e.Outcome == events.Parked })
	if err != nil {
		return err
	}
	st.saw("%s: %s (%s)", e.Status, e.Outcome, e.Reason)
	recorded := time.Now()
	if err := st.send(3); err != nil {
		return err
	}
	e, err = st.event(st.sid(3), "applied", func(e *history.Event) bool { return e.Status == "delivered" && e.Outcome == events.Applied })
	if err != nil {
		return err
	}
	st.saw("send recorded; %d ms later the callback is %s", time.Since(recorded).Milliseconds(), e.Outcome)
	return nil
}

// forged: a signature by somebody who does not have the token.
func (st *stage) forged() error {
	forger := st.a
	forger.Token = "0123456789abcdef0123456789abcdef"
	if err := st.call(st.status(forger, 1, "failed", "30003"), http.StatusUnauthorized); err != nil {
		return err
	}
	var sample ingest.Rejected
	err := st.until(func() error {
		sample = ingest.Rejected{}
		err := st.kafka.Scan(st.ctx, events.TopicRejected, func(records []events.Record) error {
			return json.Unmarshal(records[len(records)-1].Value, &sample)
		})
		if err == nil && sample.Reason == "" {
			err = errors.New("no sample of it is on the rejected topic yet")
		}
		return err
	})
	if err != nil {
		return err
	}
	story, err := st.story(st.sid(1))
	if err != nil {
		return err
	}
	if story.Resource.Status != "delivered" {
		return fmt.Errorf("the row is %s now", story.Resource.Status)
	}
	st.saw("answered %d, reason %s; the row is still %s", sample.Status, sample.Reason, story.Resource.Status)
	return nil
}

// crossTenant: a valid signature of the second organisation under a message of
// the first.
func (st *stage) crossTenant() error {
	if err := st.send(4); err != nil {
		return err
	}
	if _, err := st.row(st.sid(4), "accepted"); err != nil {
		return err
	}
	if err := st.call(st.status(st.b, 4, "undelivered", "30003"), http.StatusNoContent); err != nil {
		return err
	}
	e, err := st.event(st.sid(4), "quarantined", func(e *history.Event) bool { return e.Outcome == events.Quarantined })
	if err != nil {
		return err
	}
	st.saw("signed by %s: %s (%s)", e.VerifiedAs, e.Outcome, e.Reason)
	if err := st.call(st.status(st.a, 4, "delivered", ""), http.StatusNoContent); err != nil {
		return err
	}
	story, err := st.row(st.sid(4), "delivered")
	if err != nil {
		return err
	}
	st.saw("signed by %s: applied, the row is %s", st.a.Account, story.Resource.Status)
	return nil
}

// counters: what is kept and what the rows say.
func (st *stage) counters() error {
	if err := st.send(5); err != nil {
		return err
	}
	if err := st.call(st.status(st.a, 5, "undelivered", "30003"), http.StatusNoContent); err != nil {
		return err
	}
	if _, err := st.row(st.sid(5), "undelivered"); err != nil {
		return err
	}
	n, err := operate.ShowCampaign(st.ctx, st.inspect, st.campaign, "")
	if err != nil {
		return err
	}
	if !n.Equal || n.Messages != 4 || n.Counters["delivered"] != 3 || n.Counters["undelivered"] != 1 {
		return fmt.Errorf("counters %v, recounted %v", n.Counters, n.Recounted)
	}
	st.saw("%d messages, counters: %s; recounted: %s", n.Messages, listed(n.Counters), listed(n.Recounted))
	return nil
}

// audit: nothing that was accepted is unaccounted for.
func (st *stage) audit() error {
	a := &operate.Audit{Ledger: st.inspect, Log: st.kafka}
	if err := a.Wait(st.ctx, demoPatience); err != nil {
		return err
	}
	b, err := a.Run(st.ctx, time.Time{})
	if err != nil {
		return err
	}
	if !b.Balanced || b.InFlight != 0 {
		return fmt.Errorf("%d of %d receipts are missing, %d in flight, %d counters differ", b.Missing, b.Receipts, b.InFlight, len(b.Differences))
	}
	st.saw("%d receipts = final (%s) + held (%s) + %d duplicates", b.Receipts, listed(b.Final), listed(b.Held), b.Duplicates)
	return nil
}

// listed writes numbers by name, in the order of the names.
func listed[K ~string, N int | int64](numbers map[K]N) string {
	parts := make([]string, 0, len(numbers))
	for _, name := range slices.Sorted(maps.Keys(numbers)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, numbers[name]))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}
