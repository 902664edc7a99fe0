package operate

import (
	"context"
	"slices"
	"time"

	"waybill/internal/events"
	"waybill/internal/history"
)

// HeldEvents is where events without a home are on record, and what operators
// did to them.
type HeldEvents interface {
	HeldEvents(ctx context.Context, f history.HeldFilter, most int) ([]history.Held, error)
	// ChangeHeld acts on one chunk behind an event id; last is "" after the
	// last chunk.
	ChangeHeld(ctx context.Context, o *history.HeldOrder, after string) (change history.HeldChange, last string, err error)
	// AssignHeld releases all of the events, or none, to an organisation.
	AssignHeld(ctx context.Context, o *history.HeldOrder, org events.OrgID) (history.HeldChange, error)
	Acts(ctx context.Context, since time.Time, most int) ([]history.Act, error)
	ActsOn(ctx context.Context, id events.EventID, most int) ([]history.Act, error)
}

// ListHeld returns the held events that are meant, the newest first.
func ListHeld(ctx context.Context, h HeldEvents, s Selection, most int) ([]history.Held, error) {
	f, err := s.filter()
	if err != nil {
		return nil, err
	}
	return h.HeldEvents(ctx, f, most)
}

// HeldStory is a held event and what operators did to it, the newest first. Its
// JSON names are promises.
type HeldStory struct {
	history.Held

	Acts []history.Act `json:"acts"`
}

// actsShown are more than anybody does to one event.
const actsShown = 1000

// ShowHeld returns one held event.
func ShowHeld(ctx context.Context, h HeldEvents, id string) (HeldStory, error) {
	list, err := h.HeldEvents(ctx, history.HeldFilter{IDs: []string{id}}, 1)
	if err != nil {
		return HeldStory{}, err
	}
	if len(list) == 0 {
		return HeldStory{}, NotFound("no event of this id is held: it was applied meanwhile, or never held; try `waybill trace`, or `waybill held acts`")
	}
	acts, err := h.ActsOn(ctx, events.EventID(id), actsShown)
	return HeldStory{Held: list[0], Acts: acts}, err
}

// ListActs returns what operators did to held events since a time, or to one
// event if its id is not "". The newest comes first.
func ListActs(ctx context.Context, h HeldEvents, id string, since time.Time, most int) ([]history.Act, error) {
	if id == "" {
		return h.Acts(ctx, since, most)
	}
	acts, err := h.ActsOn(ctx, events.EventID(id), most)
	return slices.DeleteFunc(acts, func(a history.Act) bool { return a.At.Before(since) }), err
}

// Order is what a person wants done with held events.
type Order struct {
	Act    history.HeldAct
	Which  Selection
	All    bool   // every held event that Which leaves
	To     string // organisation to release them to
	Note   string // why; it is kept, so it names nobody
	User   string // of this machine
	DryRun bool
}

// Acted is what an act on held events came to. Its JSON names are promises.
type Acted struct {
	Act    history.HeldAct    `json:"act"`
	DryRun bool               `json:"dry_run"`
	Events int                `json:"events"`
	States history.HeldChange `json:"states"` // events by the state they were in
	Org    *events.OrgID      `json:"org_id"` // whom they were released to; null = whoever the router finds
}

// ChangeHeld acts on the held events that are meant, and puts it on record. All
// of them must be asked for aloud: an empty selection needs All. Progress is
// told after each chunk.
//
// Replayed events go back through the router, through dedupe and merge: a
// replay changes what a first delivery would, and never sends a message.
func ChangeHeld(ctx context.Context, h HeldEvents, o Order, progress func(events int)) (Acted, error) {
	done := Acted{Act: o.Act, DryRun: o.DryRun, States: history.HeldChange{}}
	order, err := o.order()
	if err != nil {
		return done, err
	}
	if o.To != "" {
		return assign(ctx, h, &o, order, done)
	}
	if err := allHeld(ctx, h, o.Which.IDs); err != nil {
		return done, err
	}
	for after := ""; ; {
		change, last, err := h.ChangeHeld(ctx, order, after)
		if err != nil {
			return done, err
		}
		done.States.Add(change)
		done.Events += change.Total()
		if last == "" {
			return done, nil
		}
		after = last
		if change.Total() > 0 {
			progress(done.Events)
		}
	}
}

func (o *Order) order() (*history.HeldOrder, error) {
	f, err := o.Which.filter()
	if err != nil {
		return nil, err
	}
	if o.Which.Empty() && !o.All {
		return nil, usage("say which events: their ids, a flag such as --state or --key, or --all")
	}
	return &history.HeldOrder{Act: o.Act, Filter: f, Said: o.Which.said(), Note: o.Note, User: o.User, DryRun: o.DryRun}, nil
}

// mostAssigned is the most events that are released to an organisation at once:
// somebody looked at each of them.
const mostAssigned = 1000

func assign(ctx context.Context, h HeldEvents, o *Order, order *history.HeldOrder, done Acted) (Acted, error) {
	ids := o.Which
	ids.IDs = nil
	switch {
	case o.Act != history.ActRelease || len(o.Which.IDs) == 0 || !ids.Empty() || o.All:
		return done, usage("--to goes with the ids of the events alone: look at each before you say whose it is")
	case len(o.Which.IDs) > mostAssigned:
		return done, usage("--to: at most %d events at once", mostAssigned)
	}
	org, err := events.ParseOrgID(o.To)
	if err != nil {
		return done, usage("--to: %v", err)
	}
	done.Org = &org
	if done.States, err = h.AssignHeld(ctx, order, org); err == nil {
		done.Events = done.States.Total()
	}
	return done, err
}

// allHeld returns an error if one of the events is not held.
func allHeld(ctx context.Context, h HeldEvents, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	list, err := h.HeldEvents(ctx, history.HeldFilter{IDs: ids}, len(ids))
	if err != nil {
		return err
	}
	held := make(map[events.EventID]bool, len(list))
	for i := range list {
		held[list[i].ID] = true
	}
	for _, id := range ids {
		if !held[events.EventID(id)] {
			return NotFound("no event %s is held: it was applied meanwhile, or never held; try `waybill trace`", id)
		}
	}
	return nil
}
