package postgres

import (
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/campaign"
	"waybill/internal/events"
)

// member is what a row is to campaigns and customers.
type member struct {
	campaign.Member

	customer string
}

// links is what a batch's changes of one organisation mean for its campaigns
// and customers.
type links struct {
	campaigns [3]map[string]bool // by medium: named for the first time
	customers map[string]bool    // named for the first time
	deltas    campaign.Deltas
	open      campaign.Open
}

func newLinks() links {
	l := links{customers: map[string]bool{}, deltas: campaign.Deltas{}, open: campaign.Open{}}
	for i := range l.campaigns {
		l.campaigns[i] = map[string]bool{}
	}
	return l
}

// count adds the change of one row.
func (l *links) count(org events.OrgID, m campaign.Medium, lane int, before, after member, bitName func(int) string) {
	if after.Campaign != "" && after.Campaign != before.Campaign {
		l.campaigns[m][after.Campaign] = true
	}
	if after.customer != "" && after.customer != before.customer {
		l.customers[after.customer] = true
	}
	shard := campaign.Shard(m, lane)
	l.deltas.Count(org, shard, before.Member, after.Member, bitName)
	l.open.Count(org, shard, before.Member, after.Member)
}

// insertCampaigns has a statement for each medium.
var insertCampaigns = [3]string{
	campaign.SMS:   insertParents("sms_campaigns"),
	campaign.Email: insertParents("email_campaigns"),
	campaign.Voice: insertParents("voice_campaigns"),
}

var insertCustomers = insertParents("customers")

func insertParents(table string) string {
	return "INSERT INTO " + table + " (org_id, id) SELECT $1, i FROM unnest($2::uuid[]) AS i ORDER BY i ON CONFLICT DO NOTHING"
}

// queueParents makes the campaigns and customers that rows name first.
func (l *links) queueParents(b *pgx.Batch, org events.OrgID) {
	for m, ids := range l.campaigns {
		if len(ids) > 0 {
			b.Queue(insertCampaigns[m], org, slices.Sorted(maps.Keys(ids)))
		}
	}
	if len(l.customers) > 0 {
		b.Queue(insertCustomers, org, slices.Sorted(maps.Keys(l.customers)))
	}
}

// addCounters changes counters and open hours by the batch's differences, and
// leaves a mark at every shard for the publisher of snapshots.
const addCounters = `
	WITH cells AS (
		INSERT INTO campaign_counters AS c (org_id, campaign_id, shard, status, medium, messages, reached, version)
		SELECT $1, i, h, s, m, n, r, 1
		FROM unnest($2::uuid[], $3::smallint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[]) AS u(i, h, s, m, n, r)
		ORDER BY i, h, s
		ON CONFLICT (org_id, campaign_id, shard, status) DO UPDATE SET messages = c.messages + excluded.messages,
			reached = c.reached + excluded.reached, version = c.version + 1
		WHERE c.org_id = $1),
	opened AS (
		INSERT INTO campaign_open AS o (org_id, campaign_id, shard, hour, messages)
		SELECT $1, i, h, t, n FROM unnest($8::uuid[], $9::smallint[], $10::timestamptz[], $11::bigint[]) AS u(i, h, t, n)
		ORDER BY i, h, t
		ON CONFLICT (org_id, campaign_id, shard, hour) DO UPDATE SET messages = o.messages + excluded.messages
		WHERE o.org_id = $1)
	INSERT INTO campaign_changes AS k (org_id, campaign_id, shard, changed_by)
	SELECT DISTINCT $1::uuid, i, h, pg_current_xact_id() FROM unnest($2::uuid[], $3::smallint[]) AS u(i, h) ORDER BY 2, 3
	ON CONFLICT (org_id, campaign_id, shard) DO UPDATE SET changed_by = excluded.changed_by
	WHERE k.org_id = $1`

// media are what campaign_counters calls them.
var media = [3]string{campaign.SMS: "sms", campaign.Email: "email", campaign.Voice: "voice"}

func (l *links) queueCounters(b *pgx.Batch, org events.OrgID) {
	cells, hours := l.deltas.Sorted(), l.open.Sorted()
	if len(cells)+len(hours) == 0 {
		return
	}
	b.Queue(addCounters, org,
		each(cells, func(c *campaign.Counter) string { return c.Campaign }),
		each(cells, func(c *campaign.Counter) int16 { return int16(c.Shard) }), //nolint:gosec // 0 to 11
		each(cells, func(c *campaign.Counter) string { return c.Status }),
		each(cells, func(c *campaign.Counter) string { return media[campaign.MediumOf(c.Shard)] }),
		each(cells, func(c *campaign.Counter) int64 { return c.Messages }),
		each(cells, func(c *campaign.Counter) int64 { return c.Reached }),
		each(hours, func(h *campaign.OpenHour) string { return h.Campaign }),
		each(hours, func(h *campaign.OpenHour) int16 { return int16(h.Shard) }), //nolint:gosec // 0 to 11
		each(hours, func(h *campaign.OpenHour) time.Time { return h.Hour.Hour }),
		each(hours, func(h *campaign.OpenHour) int64 { return h.Messages }),
	)
}
