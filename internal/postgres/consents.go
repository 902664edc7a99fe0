package postgres

import (
	"cmp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/consent"
	"waybill/internal/events"
)

// consents are an organisation's decisions of a batch, one for each of whom
// they are about.
type consents map[consentKey]consent.Decision

type consentKey struct {
	channel         events.Channel
	sender, address string
}

func (c consents) add(all []consent.Decision) {
	for _, d := range all {
		k := consentKey{d.Channel, d.Sender, d.Address}
		if before, ok := c[k]; ok {
			d = consent.Join(before, d)
		}
		c[k] = d
	}
}

// upsertConsents is consent.Join in SQL: the latest decision, of two at one time
// the opt-out, then the greater event id.
const upsertConsents = `
	INSERT INTO consents AS c (org_id, channel, sender, address, opted_out, decided_at, event_id)
	SELECT $1, ch, s, a, o, t, e FROM unnest($2::text[], $3::text[], $4::text[], $5::bool[], $6::timestamptz[], $7::text[]) AS u(ch, s, a, o, t, e)
	ORDER BY ch, s, a
	ON CONFLICT (org_id, channel, sender, address) DO UPDATE SET opted_out = excluded.opted_out,
		decided_at = excluded.decided_at, event_id = excluded.event_id
	WHERE c.org_id = $1 AND (excluded.decided_at, excluded.opted_out, excluded.event_id COLLATE "C")
		> (c.decided_at, c.opted_out, c.event_id COLLATE "C")`

func (c consents) queueWrite(b *pgx.Batch, org events.OrgID) {
	if len(c) == 0 {
		return
	}
	all := make([]consent.Decision, 0, len(c))
	for _, d := range c {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b consent.Decision) int {
		return cmp.Or(cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Sender, b.Sender), cmp.Compare(a.Address, b.Address))
	})
	b.Queue(upsertConsents, org,
		each(all, func(d *consent.Decision) string { return string(d.Channel) }),
		each(all, func(d *consent.Decision) string { return d.Sender }),
		each(all, func(d *consent.Decision) string { return d.Address }),
		each(all, func(d *consent.Decision) bool { return d.OptedOut }),
		each(all, func(d *consent.Decision) time.Time { return d.At }),
		each(all, func(d *consent.Decision) string { return string(d.Event) }),
	)
}

// consentPart takes opt-outs at senders that organisations share: they are in
// the timeline, and change no row of their own.
type consentPart struct{}

func (consentPart) resource() string { return "consent" }

func (consentPart) take(*events.Message, events.RowID)                              {}
func (consentPart) queueLock(*pgx.Batch, events.OrgID)                              {}
func (consentPart) queueReplay(*pgx.Batch, events.OrgID, replays, *[]events.Status) {}
func (consentPart) links(events.OrgID, *links)                                      {}
func (consentPart) queueWrite(*pgx.Batch, events.OrgID) error                       { return nil }

func (consentPart) fold(*events.Message, events.RowID) (events.Step, func() events.Status) {
	return events.Step{Outcome: events.Applied}, nil
}
