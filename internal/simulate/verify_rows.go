package simulate

import (
	"context"
	"maps"
)

// rows: every message and call says what its events come to, in its
// organisation and campaign; no other row exists.
func (v *verdict) rows(context.Context) error {
	c := v.report.check("rows")
	unknown := maps.Clone(v.found)
	for key, m := range v.told {
		delete(unknown, key)
		have, exists := v.found[key]
		want, due := v.due[key]
		c.compared(1)
		switch {
		case !due && exists:
			c.differs(1, "row %s exists without an event", key.row)
		case !due:
		case !exists:
			c.differs(1, "row %s is missing", key.row)
		case have.Status != want.status || have.ErrorCode != want.code:
			c.differs(1, "row %s is %s %s, not %s %s", key.row, have.Status, have.ErrorCode, want.status, want.code)
		case have.CampaignID != m.campaign:
			c.differs(1, "row %s belongs to campaign %q, not %q", key.row, have.CampaignID, m.campaign)
		case have.Direction != m.direction:
			c.differs(1, "row %s is %s", key.row, have.Direction)
		}
	}
	for key := range unknown {
		c.differs(1, "row %s exists in organisation %s and nobody sent it", key.row, key.org)
	}
	return nil
}

// recipients: every recipient of an e-mail has what its own events come to.
func (v *verdict) recipients(context.Context) error {
	c := v.report.check("recipients")
	for key, want := range v.due {
		have := v.to[key]
		c.compared(int64(len(want.recipients)))
		if len(have) != len(want.recipients) {
			c.differs(1, "row %s has %d recipients, not %d", key.row, len(have), len(want.recipients))
			continue
		}
		for address, s := range want.recipients {
			if r := have[address]; r.Status != s.status || r.ErrorCode != s.code {
				c.differs(1, "recipient %q of row %s is %s %s, not %s %s", r.ID, key.row, r.Status, r.ErrorCode, s.status, s.code)
			}
		}
	}
	return nil
}

// facts: what was told beside the status was counted once each, or has its value.
func (v *verdict) facts(context.Context) error {
	c := v.report.check("facts")
	for key, want := range v.due {
		have := v.found[key].Facts
		c.compared(int64(len(want.counts) + len(want.values)))
		for name, n := range want.counts {
			if have[name].Count != n {
				c.differs(1, "row %s has %d %s, not %d", key.row, have[name].Count, name, n)
			}
		}
		for name, value := range want.values {
			if have[name].Value != value {
				c.differs(1, "the %s of row %s is %q, not %q", name, key.row, have[name].Value, value)
			}
		}
	}
	return nil
}

// recordings: every recording of a call is there, with its length and place.
func (v *verdict) recordings(context.Context) error {
	c := v.report.check("recordings")
	for key, want := range v.due {
		have := v.recorded[key]
		c.compared(int64(len(want.recordings)))
		if len(have) != len(want.recordings) {
			c.differs(1, "row %s has %d recordings, not %d", key.row, len(have), len(want.recordings))
			continue
		}
		for id, w := range want.recordings {
			if r := have[id]; r.Status != w.status || r.Duration != w.seconds || r.Location != w.location {
				c.differs(1, "recording %s of row %s is %s, %d s", id, key.row, r.Status, r.Duration)
			}
		}
	}
	return nil
}
