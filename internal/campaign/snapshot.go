package campaign

import (
	"time"

	"waybill/internal/events"
)

// Snapshot sums a campaign's counter rows over its shards. Rows of other
// campaigns are left out, and so are statuses without messages. The version is
// the sum of the versions of all its counter rows: each of them only grows, so
// a later snapshot has a higher one.
func Snapshot(org events.OrgID, id string, rows []Counter, version int64, at time.Time) events.CampaignStatus {
	s := events.CampaignStatus{
		Org: org, CampaignID: id, Version: version, At: events.Millis(at),
		Counters: map[string]int64{}, Reached: map[string]int64{},
	}
	for _, r := range rows {
		if r.Org != org || r.Campaign != id {
			continue
		}
		s.Messages += r.Messages
		addTo(s.Counters, r.Status, r.Messages)
		addTo(s.Reached, r.Status, r.Reached)
	}
	return s
}

func addTo(m map[string]int64, status string, n int64) {
	if n += m[status]; n == 0 {
		delete(m, status)
	} else {
		m[status] = n
	}
}
