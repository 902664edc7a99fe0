package simulate

import (
	"context"
	"maps"
	"slices"
	"time"

	"waybill/internal/events"
	"waybill/internal/history"
)

// numbers are a campaign's.
type numbers struct{ current, reached map[string]int64 }

// campaigns returns the numbers that the model comes to.
func (v *verdict) campaigns() map[string]numbers {
	all := map[string]numbers{}
	for i := range v.Cast.Tenants {
		for _, id := range v.Cast.Tenants[i].Campaigns {
			all[id] = numbers{map[string]int64{}, map[string]int64{}}
		}
	}
	for _, m := range v.model.messages {
		applied := v.applied(m)
		if m.campaign == "" || len(applied) == 0 {
			continue
		}
		status, _ := settle(applied)
		all[m.campaign].current[status]++
		reached := map[string]bool{}
		for _, t := range applied {
			reached[t.status] = true
		}
		for status := range reached {
			all[m.campaign].reached[status]++
		}
	}
	return all
}

// counters: every campaign's counters, the recount of its rows and the statuses
// ever reached are those of the model.
func (v *verdict) counters(ctx context.Context) error {
	c := v.report.check("campaign counters")
	want := v.campaigns()
	for i := range v.Cast.Tenants {
		t := &v.Cast.Tenants[i]
		for _, id := range t.Campaigns {
			found, err := v.Ledger.CampaignsByID(ctx, id, t.Org)
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
	}
	return nil
}

// story is what a consumer of the status topic knows of a message.
type tale struct {
	version int64
	status  string
	code    string
	fell    bool // a later version had a lower status
	skipped bool // a version came before the one below it
}

// statusEvents: a consumer that drops versions not above its last sees every
// version of every message, each better than the last, and ends where the row is.
func (v *verdict) statusEvents(ctx context.Context) error {
	c := v.report.check("status events")
	tales := map[rowKey]*tale{}
	strangers := int64(0)
	err := v.Log.Scan(ctx, events.TopicStatusMessages, func(records []events.Record) error {
		for i := range records {
			s, err := events.DecodeStatus(&records[i])
			if err != nil {
				return err
			}
			if v.orgs[s.Org] == nil {
				continue // another run's
			}
			key := rowKey{s.Org, s.ID}
			if v.told[key] == nil {
				strangers++
				continue
			}
			if tales[key] == nil {
				tales[key] = &tale{}
			}
			tales[key].hear(&s)
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.differs(strangers, "%d are of messages that nobody sent", strangers)
	for key := range v.found {
		t := tales[key]
		if t == nil {
			t = &tale{}
		}
		have := v.found[key]
		c.compared(have.Version)
		switch {
		case t.skipped || t.version != have.Version:
			c.differs(1, "row %s has version %d, the topic ends at %d", key.row, have.Version, t.version)
		case t.fell:
			c.differs(1, "row %s fell back on the topic", key.row)
		case t.status != have.Status || t.code != have.ErrorCode:
			c.differs(1, "row %s is %s %s, the topic says %s %s", key.row, have.Status, have.ErrorCode, t.status, t.code)
		}
	}
	return nil
}

// hear takes the next event of a message as a consumer does.
func (t *tale) hear(s *events.Status) {
	if s.Version <= t.version {
		return // a repeat
	}
	t.skipped = t.skipped || s.Version != t.version+1
	t.fell = t.fell || slices.Index(order, s.Status) < slices.Index(order, t.status)
	t.version, t.status, t.code = s.Version, s.Status, s.ErrorCode
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
