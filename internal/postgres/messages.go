package postgres

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"waybill/internal/bus"
	"waybill/internal/campaign"
	"waybill/internal/events"
	"waybill/internal/messaging"
	"waybill/internal/tenantmap"
)

type pgconnTag = pgconn.CommandTag

// Messages applies resolved message events to their organisations' rows.
type Messages struct {
	db    *DB
	group string
}

// NewMessages returns the store over a pool of the worker's role.
func NewMessages(db *DB, group string) *Messages { return &Messages{db, group} }

// Apply applies a batch of one partition in one transaction: fence, event ids,
// then for each organisation its rows, counters and timeline. Events below
// f.At that are known only bring back their status events; see bus.ErrFenced
// and package fault for the errors.
func (m *Messages) Apply(ctx context.Context, f bus.Fence, batch []events.Message) (events.Effect, error) {
	var res events.Effect
	err := m.db.inTx(ctx, "applying message events", func(ctx context.Context, tx pgx.Tx) error {
		a := &messageBatch{f: f, batch: batch, res: events.Effect{Outcomes: map[events.Outcome]int{}}}
		defer func() { res = a.res }()
		return a.apply(ctx, tx, m.group)
	})
	return res, err
}

// messageBatch is one attempt at one batch.
type messageBatch struct {
	f      bus.Fence
	batch  []events.Message
	occs   []occurrence
	ledger *ledger
	orgs   []events.OrgID // sorted
	groups map[events.OrgID]*orgGroup
	replay []replayed
	held   []tenantmap.Held
	finals []final
	res    events.Effect
}

// orgGroup is the part of a batch that belongs to one organisation.
type orgGroup struct {
	events   []*events.Message
	rows     map[events.RowID]*messageRow
	ids      []string // of rows, sorted
	timeline []timelineEntry
	deltas   campaign.Deltas
}

// messageRow is a row before and after the batch.
type messageRow struct {
	before, after messaging.Message
	exists, dirty bool
}

type timelineEntry struct {
	e    *events.Message
	step events.Step
}

func (a *messageBatch) apply(ctx context.Context, tx pgx.Tx, group string) error {
	a.occs = make([]occurrence, len(a.batch))
	for i := range a.batch {
		e := &a.batch[i]
		a.occs[i] = occurrence{id: e.EventID, receipt: e.Receipt, at: e.ReceivedAt}
	}
	var err error
	if a.ledger, err = openLedger(ctx, tx, group, a.f, a.occs); err != nil {
		return err
	}
	a.sort()
	if err := a.lock(ctx, tx); err != nil {
		return err
	}
	a.fold()
	if err := a.write(ctx, tx); err != nil {
		return err
	}
	if err := hold(ctx, tx, a.held); err != nil {
		return err
	}
	return a.ledger.close(ctx, tx, a.finalOccurrences(), a.finals)
}

// sort judges every event and puts what is to be applied, or published again,
// into its organisation's group.
func (a *messageBatch) sort() {
	a.groups = map[events.OrgID]*orgGroup{}
	for i := range a.batch {
		e := &a.batch[i]
		known := a.ledger.known[e.EventID]
		switch a.ledger.judge(a.occs[i]) {
		case duplicate:
			a.res.Duplicates++
			fallthrough
		case redelivery:
			if e.Replay && !known.inBatch {
				a.replay = append(a.replay, replayed{org: e.Org, id: e.EventID, at: known.at})
				a.group(e.Org)
			}
		case fresh:
			g := a.group(e.Org)
			g.events = append(g.events, e)
			if g.rows[e.Row] == nil {
				g.rows[e.Row] = &messageRow{}
				g.ids = append(g.ids, string(e.Row))
			}
		}
	}
	slices.Sort(a.orgs)
	for _, g := range a.groups {
		slices.Sort(g.ids)
	}
}

func (a *messageBatch) group(org events.OrgID) *orgGroup {
	g := a.groups[org]
	if g == nil {
		g = &orgGroup{rows: map[events.RowID]*messageRow{}, deltas: campaign.Deltas{}}
		a.groups[org] = g
		a.orgs = append(a.orgs, org)
	}
	return g
}

// selectMessages locks one row after the other in the order of $2, by the whole
// primary key: a plan for id = ANY($2) scans the organisation's rows for as long
// as there are no statistics.
const selectMessages = `
	SELECT m.* FROM unnest($2::uuid[]) AS k(row_id)
	CROSS JOIN LATERAL (
		SELECT id, coalesce(message_id::text, ''), provider, coalesce(provider_id, ''), account, channel, direction, origin,
			from_address, to_address, service, body, media, coalesce(campaign_id::text, ''), coalesce(customer_id::text, ''),
			status, error_code, version, reached, sent_at, occurred_at, received_at, last_at
		FROM sms_messages WHERE org_id = $1 AND id = k.row_id OFFSET 0 FOR UPDATE) AS m`

// lock reads the rows of the batch and locks them, each organisation's in the
// order of their ids. The same pipeline brings back what is to be published again.
func (a *messageBatch) lock(ctx context.Context, tx pgx.Tx) error {
	return inOrgs(ctx, tx, a.orgs, func(org events.OrgID, b *pgx.Batch) {
		g := a.groups[org]
		if len(g.ids) > 0 {
			b.Queue(selectMessages, org, g.ids).Query(func(rows pgx.Rows) error { return g.read(org, rows) })
		}
		queueReplay(b, org, a.replay, &a.res.Status)
	})
}

func (g *orgGroup) read(org events.OrgID, rows pgx.Rows) error {
	var m messaging.Message
	var reached int64
	into := []any{
		&m.ID, &m.MessageID, &m.Provider, &m.ProviderID, &m.Account, &m.Channel, &m.Direction, &m.Origin,
		&m.From, &m.To, &m.Service, &m.Body, &m.Media, &m.CampaignID, &m.CustomerID,
		&m.Status, &m.ErrorCode, &m.Version, &reached, &m.SentAt, &m.OccurredAt, &m.ReceivedAt, &m.LastAt,
	}
	_, err := pgx.ForEachRow(rows, into, func() error {
		row := g.rows[m.ID]
		m.Org, m.Reached = org, uint64(reached) //nolint:gosec // bits
		row.before, row.after, row.exists = m, m, true
		row.before.Media, row.after.Media = slices.Clone(m.Media), slices.Clone(m.Media)
		return nil
	})
	return err
}

// fold merges every event into its row, in the order of the log.
func (a *messageBatch) fold() {
	for _, org := range a.orgs {
		g := a.groups[org]
		for _, e := range g.events {
			row := g.rows[e.Row]
			after, step := messaging.Fold(row.after, row.exists || row.dirty, e)
			if step.Outcome == events.Dead {
				a.held = append(a.held, tenantmap.HeldMessage(e, events.Dead, step.Reason))
				delete(a.ledger.known, e.EventID)
				a.res.Outcomes[events.Dead]++
				continue
			}
			row.after = after
			row.dirty = row.dirty || step.Changed
			g.timeline = append(g.timeline, timelineEntry{e, step})
			a.finals = append(a.finals, final{e.EventID, e.Receipt, org, step.Outcome})
			a.res.Outcomes[step.Outcome]++
		}
		for _, row := range g.rows {
			g.count(row)
		}
		// Only now is each row complete: a send record later in the batch may
		// have named the campaign of an earlier transition.
		for _, t := range g.timeline {
			if t.step.Transition {
				a.res.Status = append(a.res.Status, messaging.StatusEvent(&g.rows[t.e.Row].after, t.e, t.step))
			}
		}
	}
}

func (g *orgGroup) count(row *messageRow) {
	if !row.dirty {
		return
	}
	var before campaign.Member
	if row.exists {
		before = member(&row.before)
	}
	g.deltas.Count(row.after.Org, events.Lane(row.after.ID), before, member(&row.after), messaging.BitName)
}

func member(m *messaging.Message) campaign.Member {
	return campaign.Member{Campaign: m.CampaignID, Status: m.Status, Reached: m.Reached}
}

// finalOccurrences leaves out what was held just now: a held event must not be
// taken for superseded by itself.
func (a *messageBatch) finalOccurrences() []occurrence {
	if len(a.held) == 0 {
		return a.occs
	}
	held := map[events.EventID]bool{}
	for i := range a.held {
		held[a.held[i].EventID] = true
	}
	return slices.DeleteFunc(slices.Clone(a.occs), func(o occurrence) bool { return held[o.id] })
}

// replayed is an event that was applied before and may not have been published.
type replayed struct {
	org events.OrgID
	id  events.EventID
	at  time.Time
}

// selectTransitions goes from the ids to the rows, one key after the other
// (OFFSET 0 keeps the planner from turning that round): a plan that starts from
// the tables is quadratic, and it is what a planner without statistics picks.
const selectTransitions = `
	SELECT m.id, coalesce(m.message_id::text, ''), coalesce(m.provider_id, ''), m.channel, coalesce(m.campaign_id::text, ''),
		coalesce(m.customer_id::text, ''), e.status, e.error_code, e.version, e.occurred_at, e.received_at
	FROM unnest($2::text[], $3::timestamptz[]) AS k(event_id, applied_at)
	CROSS JOIN LATERAL (
		SELECT row_id, status, error_code, version, occurred_at, received_at FROM events
		WHERE org_id = $1 AND event_id = k.event_id AND applied_at = k.applied_at AND version IS NOT NULL OFFSET 0) e
	CROSS JOIN LATERAL (
		SELECT id, message_id, provider_id, channel, campaign_id, customer_id FROM sms_messages
		WHERE org_id = $1 AND id = e.row_id OFFSET 0) m
	ORDER BY e.version`

// queueReplay adds the query that rebuilds status events from the timeline.
func queueReplay(b *pgx.Batch, org events.OrgID, all []replayed, out *[]events.Status) {
	var ids []string
	var at []time.Time
	for i := range all {
		if all[i].org == org {
			ids, at = append(ids, string(all[i].id)), append(at, all[i].at)
		}
	}
	if len(ids) == 0 {
		return
	}
	b.Queue(selectTransitions, org, ids, at).Query(func(rows pgx.Rows) error {
		s := events.Status{Org: org}
		_, err := pgx.ForEachRow(rows, []any{
			&s.ID, &s.MessageID, &s.ProviderID, &s.Channel, &s.CampaignID, &s.CustomerID,
			&s.Status, &s.ErrorCode, &s.Version, &s.OccurredAt, &s.ReceivedAt,
		}, func() error {
			s.ErrorClass = messaging.ErrorClass(s.ErrorCode)
			s.ReceivedAt = s.ReceivedAt.UTC()
			*out = append(*out, s)
			return nil
		})
		return err
	})
}

// mediaSeparator joins a message's media URLs while they travel as one array
// element; a URL has no line feed.
const mediaSeparator = "\n"

func joinMedia(media []string) string { return strings.Join(media, mediaSeparator) }
