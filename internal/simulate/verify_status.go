package simulate

import (
	"context"

	"waybill/internal/events"
)

// tale is what a consumer of a status topic knows of a message or call.
type tale struct {
	rules      *rules
	version    int64
	state      state
	recipients map[string]state // of an e-mail, by id
	fell       bool             // a later version was worse
	skipped    bool             // a version came before the one below it
}

// statusEvents: a consumer that drops versions not above its last sees every
// version of every row, each better than the last, and ends where the row is.
func (v *verdict) statusEvents(ctx context.Context) error {
	c := v.report.check("status events")
	tales := map[rowKey]*tale{}
	strangers := int64(0)
	for _, topic := range []string{events.TopicStatusMessages, events.TopicStatusCalls} {
		err := v.Log.Scan(ctx, topic, func(records []events.Record) error {
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
					tales[key] = &tale{rules: v.told[key].rules, recipients: map[string]state{}}
				}
				tales[key].hear(&s)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	c.differs(strangers, "%d are of rows that nobody sent", strangers)
	for key, have := range v.found {
		t := tales[key]
		if t == nil {
			t = &tale{}
		}
		c.compared(have.Version)
		switch {
		case t.skipped || t.version != have.Version:
			c.differs(1, "row %s has version %d, the topic ends at %d", key.row, have.Version, t.version)
		case t.fell:
			c.differs(1, "row %s fell back on the topic", key.row)
		case t.state != state{have.Status, have.ErrorCode}:
			c.differs(1, "row %s is %s %s, the topic says %s %s", key.row, have.Status, have.ErrorCode, t.state.status, t.state.code)
		case !v.names(t, key):
			c.differs(1, "the topic says something else of the recipients of row %s", key.row)
		}
	}
	return nil
}

// names tells whether the topic says of every recipient what the rows do.
func (v *verdict) names(t *tale, key rowKey) bool {
	for _, r := range v.to[key] {
		if t.recipients[r.ID] != (state{r.Status, r.ErrorCode}) {
			return false
		}
	}
	return len(t.recipients) == len(v.to[key])
}

// hear takes the next event of a row as a consumer does. An e-mail may fall when
// one of its recipients gets better; no recipient does.
func (t *tale) hear(s *events.Status) {
	if s.Version <= t.version {
		return // a repeat
	}
	t.skipped = t.skipped || s.Version != t.version+1
	t.fell = t.fell || s.Channel != events.Email && t.rules.falls(t.state.status, s.Status)
	for _, r := range s.Recipients {
		t.fell = t.fell || t.rules.falls(t.recipients[r.ID].status, r.Status)
		t.recipients[r.ID] = state{r.Status, r.ErrorCode}
	}
	t.version, t.state = s.Version, state{s.Status, s.ErrorCode}
}
