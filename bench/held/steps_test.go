package held_test

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/operate"
	"waybill/internal/tenantmap"
	"waybill/internal/tenants"
)

// rare is the SID of one event.
const rare = "SM8f14e45fceea167a5a36dedd4bea2543" // md5 of 7

func list(s operate.Selection) func(context.Context, *house) error {
	return func(ctx context.Context, h *house) error {
		_, err := operate.ListHeld(ctx, h.operator, s, 1000)
		return err
	}
}

// chunk is one transaction of an act on what is meant.
func chunk(act history.HeldAct, f history.HeldFilter, dry bool) func(context.Context, *house) error {
	return func(ctx context.Context, h *house) error {
		_, _, err := h.operator.ChangeHeld(ctx, &history.HeldOrder{Act: act, Filter: f, Said: map[string]any{}, DryRun: dry}, "")
		return err
	}
}

// whole is an act on all that is meant, chunk after chunk.
func whole(o operate.Order) func(context.Context, *house) error {
	return func(ctx context.Context, h *house) error {
		_, err := operate.ChangeHeld(ctx, h.operator, o, func(int) {})
		return err
	}
}

func claim(ctx context.Context, h *house) error {
	claimed, err := h.routing.ClaimReady(ctx, h.after, 500, 10*time.Second)
	claims := claimed.Claims
	h.claimed, h.claims, h.after = claimed.Token, h.claims[:0], ""
	for i := range claims {
		h.claims = append(h.claims, claims[i].EventID)
	}
	if claimed.More {
		h.after = claims[len(claims)-1].EventID
	}
	return err
}

func remove(ctx context.Context, h *house) error {
	return h.routing.DeleteReleased(ctx, h.claimed, h.claims)
}

// release does what routers do until so many events are released.
func (h *house) release(ctx context.Context, n int) error {
	for ; n > 0; n -= max(1, len(h.claims)) {
		if err := claim(ctx, h); err != nil {
			return err
		}
		if err := remove(ctx, h); err != nil {
			return err
		}
	}
	return nil
}

var steps = []step{
	{"list, all", false, list(operate.Selection{})},
	{"list, state dead", false, list(operate.Selection{State: "dead"})},
	{"list, a frequent reason", false, list(operate.Selection{Reason: "no_mapping"})},
	{"list, a reason of one event", false, list(operate.Selection{Reason: "rare"})},
	{"list, a reason of none", false, list(operate.Selection{Reason: "none"})},
	{"list, a provider of one event", false, list(operate.Selection{Provider: "connect"})},
	{"list, a minute of yesterday", false, list(operate.Selection{Since: time.Now().Add(-10*time.Hour - time.Minute), Before: time.Now().Add(-10 * time.Hour)})},
	{"list, a key of one event", false, list(operate.Selection{Key: rare})},
	{"list, the key of a third", false, list(operate.Selection{Key: "account=twilio:ACmany"})},
	{"list, the key of a third, a reason of none", false, list(operate.Selection{Key: "account=twilio:ACmany", Reason: "none"})},
	{"list, an organisation with three", false, func(ctx context.Context, h *house) error {
		return list(operate.Selection{Org: string(h.org)})(ctx, h)
	}},
	{"show", false, func(ctx context.Context, h *house) error {
		all, err := operate.ListHeld(ctx, h.operator, operate.Selection{Key: rare}, 1)
		if err == nil && len(all) == 1 {
			_, err = operate.ShowHeld(ctx, h.operator, string(all[0].ID))
		}
		return err
	}},
	{"trace of a SID", false, func(ctx context.Context, h *house) error {
		_, err := operate.Trace(ctx, h.inspect, rare, "")
		return err
	}},
	{"replay --dry-run, first chunk of all", false, chunk(history.ActReplay, history.HeldFilter{}, true)},
	{"replay --dry-run, first chunk of a reason of none", false, chunk(history.ActReplay, history.HeldFilter{Reason: "none"}, true)},
	{"replay --dry-run, whole, a reason of none", true, whole(operate.Order{Act: history.ActReplay, Which: operate.Selection{Reason: "none"}, DryRun: true})},
	{"replay --dry-run, whole, a key of one event", false, whole(operate.Order{Act: history.ActReplay, Which: operate.Selection{Key: rare}, DryRun: true})},
	{"replay, a key of one event", true, whole(operate.Order{Act: history.ActReplay, Which: operate.Selection{Key: rare}})},
	{"release, 1,000 parked", false, chunk(history.ActRelease, history.HeldFilter{State: events.Parked}, false)},
	{"dismiss, 1,000 dead", false, chunk(history.ActDismiss, history.HeldFilter{State: events.Dead}, false)},
	{"park 500 new events", false, func(ctx context.Context, h *house) error {
		_, _, err := h.routing.Settle(ctx, h.parkings(500))
		return err
	}},
	{"try again what is due, none is", false, func(ctx context.Context, h *house) error {
		_, err := h.routing.RetryDue(ctx, time.Now())
		return err
	}},
	{"try again 1,000 that are due", true, func(ctx context.Context, h *house) error {
		n, err := h.routing.RetryDue(ctx, time.Now().Add(time.Hour))
		if err == nil && n != 1000 {
			err = fmt.Errorf("%d were due", n)
		}
		return err
	}},
	{"a send record for one event", false, func(ctx context.Context, h *house) error {
		_, _, err := h.routing.RecordSends(ctx, []tenantmap.Send{{
			Org: h.org, Resource: tenantmap.ResourceKey(events.Twilio, rare), Provider: events.Twilio, ProviderID: rare, Account: "ACours", SentAt: time.Now(),
		}})
		return err
	}},
	{"account add, for the key of a third", true, func(ctx context.Context, h *house) error {
		_, err := h.tenants.AddAccounts(ctx, []tenants.NewAccount{{Provider: "twilio", Name: "ACmany", Orgs: []events.OrgID{h.org}}})
		return err
	}},
	{"a router's next chunk of that third", false, func(ctx context.Context, h *house) error {
		_, err := h.routing.WakeHeld(ctx)
		return err
	}},
	{"count by state", false, func(ctx context.Context, h *house) error {
		_, err := h.routing.CountHeld(ctx)
		return err
	}},
	{"count what keeps its record", false, func(ctx context.Context, h *house) error {
		_, err := h.routing.CountKept(ctx)
		return err
	}},
	{"remove what is final", false, func(ctx context.Context, h *house) error {
		_, err := h.routing.SupersedeFinal(ctx, "")
		return err
	}},
	{"give up parked events, none due", false, func(ctx context.Context, h *house) error {
		_, err := h.routing.ExpireParked(ctx, time.Now().Add(-72*time.Hour))
		return err
	}},
	{"give up 1,000 parked events", false, func(ctx context.Context, h *house) error {
		_, err := h.routing.ExpireParked(ctx, time.Now())
		return err
	}},
	{"expire held events, none due", false, func(ctx context.Context, h *house) error {
		_, err := h.retention.ExpireHeld(ctx, time.Now().Add(-30*24*time.Hour))
		return err
	}},
	{"expire 1,000 held events", false, func(ctx context.Context, h *house) error {
		_, err := h.retention.ExpireHeld(ctx, time.Now())
		return err
	}},
	{"audit, where every receipt stands", true, func(ctx context.Context, h *house) error {
		return h.inspect.Standings(ctx, time.Now().Add(-time.Hour), func(history.Standing) {})
	}},
	{"audit, gaps", true, func(ctx context.Context, h *house) error {
		_, err := h.inspect.Gaps(ctx, time.Now().Add(-time.Hour))
		return err
	}},
	{"replay --all, whole", true, whole(operate.Order{Act: history.ActReplay, All: true})},
	{"claim 500 of all ready", true, claim},
	{"delete 500 released", true, remove},
	{"release an eighth, under an old snapshot", true, func(ctx context.Context, h *house) error {
		tx, err := h.owner.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
		if err != nil {
			return err
		}
		h.snapshot = tx
		if _, err := tx.Exec(ctx, "SELECT count(*) FROM organizations"); err != nil {
			return err
		}
		return h.release(ctx, h.events/8)
	}},
	{"claim 500 behind that eighth, dead", true, claim},
	{"claim 500 from the start, that eighth dead", true, func(ctx context.Context, h *house) error {
		h.after = ""
		return claim(ctx, h)
	}},
	{"count by state, with that eighth dead", true, func(ctx context.Context, h *house) error {
		_, err := h.routing.CountHeld(ctx)
		return err
	}},
	{"list, all, with that eighth dead", true, list(operate.Selection{})},
	{"release --to, one event", false, func(ctx context.Context, h *house) error {
		all, err := h.operator.HeldEvents(ctx, history.HeldFilter{State: events.Parked}, 1)
		if err == nil && len(all) == 1 {
			_, err = h.operator.AssignHeld(ctx, &history.HeldOrder{Act: history.ActRelease, Filter: history.HeldFilter{IDs: []string{string(all[0].ID)}}, Said: map[string]any{}}, h.org)
		}
		return err
	}},
	{"vacuum, with the snapshot gone", true, func(ctx context.Context, h *house) error {
		if err := h.snapshot.Rollback(ctx); err != nil {
			return err
		}
		_, err := h.owner.Exec(ctx, "VACUUM ANALYZE held_events, held_keys")
		return err
	}},
	{"claim 500 after vacuum", true, claim},
}
