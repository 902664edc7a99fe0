package operate

import (
	"context"

	"waybill/internal/events"
	"waybill/internal/history"
)

// HeldEvents is where events without a home are on record.
type HeldEvents interface {
	HeldEvents(ctx context.Context, f history.HeldFilter, most int) ([]history.Held, error)
	// ChangeHeld acts on one chunk behind an event id; last is "" after the
	// last chunk.
	ChangeHeld(ctx context.Context, act history.HeldAct, f history.HeldFilter, after string, dryRun bool) (change history.HeldChange, last string, err error)
}

// Selection says which held events are meant, in a person's words.
type Selection struct {
	IDs   []string
	State string
	Key   string // a key's text, or the id behind it
	Org   string
}

func (s Selection) filter() (history.HeldFilter, error) {
	f := history.HeldFilter{IDs: s.IDs, State: events.Outcome(s.State)}
	switch f.State {
	case "", events.Parked, events.Quarantined, events.Dead:
	default:
		return f, usage("--state: want parked, quarantined or dead")
	}
	if s.Key != "" {
		f.Keys = KeysNaming(s.Key)
	}
	if s.Org != "" {
		org, err := parseOrg(s.Org)
		if err != nil {
			return f, err
		}
		f.Org = org
	}
	return f, nil
}

// ListHeld returns the held events that are meant, the newest first.
func ListHeld(ctx context.Context, h HeldEvents, s Selection, most int) ([]history.Held, error) {
	f, err := s.filter()
	if err != nil {
		return nil, err
	}
	return h.HeldEvents(ctx, f, most)
}

// ShowHeld returns one held event.
func ShowHeld(ctx context.Context, h HeldEvents, id string) (history.Held, error) {
	list, err := h.HeldEvents(ctx, history.HeldFilter{IDs: []string{id}}, 1)
	if err != nil {
		return history.Held{}, err
	}
	if len(list) == 0 {
		return history.Held{}, NotFound("no event of this id is held: it was applied meanwhile, or never held; try `waybill trace`")
	}
	return list[0], nil
}

// Acted is what an act on held events came to. Its JSON names are promises.
type Acted struct {
	Act    history.HeldAct    `json:"act"`
	DryRun bool               `json:"dry_run"`
	Events int                `json:"events"`
	States history.HeldChange `json:"states"` // events by the state they were in
}

// ChangeHeld acts on the held events that are meant. All of them must be asked
// for aloud: an empty selection needs all. Progress is told after each chunk.
//
// Replayed events go back through the router, through dedupe and merge: a
// replay changes what a first delivery would, and never sends a message.
func ChangeHeld(ctx context.Context, h HeldEvents, act history.HeldAct, s Selection, all, dryRun bool, progress func(events int)) (Acted, error) {
	done := Acted{Act: act, DryRun: dryRun, States: history.HeldChange{}}
	f, err := s.filter()
	if err != nil {
		return done, err
	}
	if len(s.IDs) == 0 && s.State == "" && s.Key == "" && s.Org == "" && !all {
		return done, usage("say which events: their ids, --state, --key or --org, or --all")
	}
	for _, id := range s.IDs {
		if _, err := ShowHeld(ctx, h, id); err != nil {
			return done, err
		}
	}
	for after := ""; ; {
		change, last, err := h.ChangeHeld(ctx, act, f, after, dryRun)
		if err != nil {
			return done, err
		}
		for state, n := range change {
			done.States[state] += n
			done.Events += n
		}
		if last == "" {
			return done, nil
		}
		after = last
		progress(done.Events)
	}
}
