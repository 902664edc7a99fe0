package simulate

import (
	"context"
	"maps"
	"time"

	"waybill/internal/events"
	"waybill/internal/history"
)

// numbers are a campaign's.
type numbers struct{ current, reached map[string]int64 }

// campaigns returns the numbers that the model comes to.
func (v *verdict) campaigns() map[string]numbers {
	all := map[string]numbers{}
	for id := range v.Cast.Campaigns() {
		all[id] = numbers{map[string]int64{}, map[string]int64{}}
	}
	for key, due := range v.due {
		if n, ok := all[v.told[key].campaign]; ok {
			n.current[due.status]++
			for status := range due.reached {
				n.reached[status]++
			}
		}
	}
	return all
}

// counters: every campaign's counters, the recount of its rows and the statuses
// ever reached are those of the model.
func (v *verdict) counters(ctx context.Context) error {
	c := v.report.check("campaign counters")
	want := v.campaigns()
	for id, org := range v.Cast.Campaigns() {
		found, err := v.Ledger.CampaignsByID(ctx, id, org)
		if err != nil {
			return err
		}
		have := history.Campaign{Counters: map[string]int64{}, Reached: map[string]int64{}, Recounted: map[string]int64{}}
		if len(found) == 1 {
			have = found[0]
		}
		c.compared(1)
		switch {
		case !maps.Equal(have.Counters, want[id].current):
			c.differs(1, "campaign %s has %v, not %v", id, have.Counters, want[id].current)
		case !maps.Equal(have.Recounted, want[id].current):
			c.differs(1, "the rows of campaign %s are %v, not %v", id, have.Recounted, want[id].current)
		case !maps.Equal(have.Reached, want[id].reached):
			c.differs(1, "campaign %s ever reached %v, not %v", id, have.Reached, want[id].reached)
		}
	}
	return nil
}

// snapshots: the newest snapshot of every campaign is what the model says. They
// come at most once a second, so the last ones are waited for.
func (v *verdict) snapshots(ctx context.Context) error {
	c := v.report.check("campaign snapshots")
	want := v.campaigns()
	var wrong []string
	for deadline := time.Now().Add(v.Settle); ; {
		newest := map[string]events.CampaignStatus{}
		err := v.Log.Scan(ctx, events.TopicStatusCampaigns, func(records []events.Record) error {
			for i := range records {
				s, err := events.DecodeCampaignStatus(&records[i])
				if err != nil {
					return err
				}
				if s.Version > newest[s.CampaignID].Version {
					newest[s.CampaignID] = s
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		wrong = wrong[:0]
		for id, n := range want {
			if s := newest[id]; !maps.Equal(s.Counters, n.current) || !maps.Equal(s.Reached, n.reached) {
				wrong = append(wrong, id)
			}
		}
		if len(wrong) == 0 || time.Now().After(deadline) {
			break
		}
		if err := sleep(ctx, lagPoll); err != nil {
			return err
		}
	}
	c.compared(int64(len(want)))
	for _, id := range wrong {
		c.differs(1, "the newest snapshot of campaign %s is not %v", id, want[id].current)
	}
	return nil
}

// subscriptions: every subscription and invoice says what its newest event said, and every
// event of it is on record once.
func (v *verdict) subscriptions(ctx context.Context) error {
	c := v.report.check("subscriptions")
	for _, s := range v.model.subscriptions {
		found, err := v.Ledger.Find(ctx, history.Query{ID: s.id, Resources: 1, Events: 100, Held: 100})
		if err != nil {
			return err
		}
		times := map[events.EventID]int{}
		for i := range found.Events {
			times[found.Events[i].ID]++
		}
		status := ""
		for _, t := range s.events {
			c.compared(1)
			n := times[t.id]
			if n > 1 || (n == 0 && t.must()) || (n > 0 && !t.may()) {
				c.differs(1, "%s is on record %d times", t.id, n)
			}
			if n > 0 && status != "canceled" && status != "paid" {
				status = t.status
			}
		}
		have := ""
		if len(found.Resources) == 1 {
			have = found.Resources[0].Status
		}
		if have != status {
			c.differs(1, "%s is %q, not %q", s.id, have, status)
		}
	}
	return nil
}
