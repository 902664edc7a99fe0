package simulate

import (
	"slices"

	"waybill/internal/events"
)

// rules are what DESIGN.md promises of one kind of resource: the simulator's own
// account, which it does not share with Waybill.
type rules struct {
	channel    events.Channel
	order      []string // statuses, from the worst to the best
	unspecific []string // codes that say nothing
	settle     func(*rules, []*told) outcome
}

var (
	messageRules = &rules{
		channel: events.SMS,
		order: []string{
			"intended", "accepted", "scheduled", "queued", "sending", "sent", "partially_delivered",
			"canceled", "failed", "undelivered", "delivered", "read",
			"receiving", "received",
		},
		unspecific: []string{"30008"}, // Twilio does not know why
		settle:     (*rules).best,
	}
	emailRules = &rules{
		channel:    events.Email,
		order:      []string{"intended", "sent", "delayed", "bounced_transient", "delivered", "bounced_permanent", "rejected", "rendering_failed"},
		unspecific: []string{"general", "undetermined"},
		settle:     (*rules).worstRecipient,
	}
	callRules = &rules{
		channel: events.Voice,
		order:   []string{"intended", "queued", "initiated", "ringing", "in_progress", "failed", "canceled", "busy", "no_answer", "completed"},
		settle:  (*rules).best,
	}
	contactRules = &rules{channel: events.Voice, order: callRules.order, settle: (*rules).contact}

	recordingOrder = []string{"in_progress", "absent", "failed", "completed"}
)

// outcome is what a row must say after some of its events, in whatever order
// they came.
type outcome struct {
	state

	reached    map[string]bool // statuses that it ever had
	recipients map[string]state
	counts     map[string]int64  // facts that are counted
	values     map[string]string // facts that have a value
	recordings map[string]recording
}

// after returns what a row says after events.
func (r *rules) after(applied []*told) outcome {
	o := r.settle(r, applied)
	o.counts, o.values, o.recordings = map[string]int64{}, map[string]string{}, map[string]recording{}
	for _, t := range applied {
		for _, f := range t.facts {
			if f.value == "" {
				o.counts[f.name]++
			} else {
				o.values[f.name] = f.value // the same however often it is told
			}
		}
		for _, r := range t.recordings {
			o.recordings[r.id] = r.with(o.recordings[r.id])
		}
	}
	return o
}

// best: the best status of all, and with it the code that says most.
func (r *rules) best(applied []*told) outcome {
	o := outcome{reached: map[string]bool{}}
	for _, t := range applied {
		o.state = r.better(o.state, t.state)
		o.reached[t.status] = true
	}
	return o
}

// contact: a contact that ended is completed only if an agent connected.
func (r *rules) contact(applied []*told) outcome {
	o := r.best(applied)
	agent := o.reached["in_progress"] || slices.ContainsFunc(applied, func(t *told) bool { return t.agent })
	switch {
	case o.status == "completed" && !agent:
		o.status = "no_answer"
	case agent:
		o.state = r.better(o.state, state{status: "in_progress"})
	}
	return o
}

// better returns the better of two states: that of the higher status, and of
// two codes of one status the more specific, then the lower.
func (r *rules) better(a, b state) state {
	switch ranks := slices.Index(r.order, a.status) - slices.Index(r.order, b.status); {
	case ranks > 0, ranks == 0 && !r.preferred(b.code, a.code):
		return a
	}
	return b
}

// preferred tells whether a code says more than another. All numbers that the
// simulator plays have as many digits, so that they sort as texts.
func (r *rules) preferred(code, than string) bool {
	if code == "" || than == "" {
		return code != ""
	}
	if a, b := slices.Contains(r.unspecific, code), slices.Contains(r.unspecific, than); a != b {
		return b
	}
	return code < than
}

// falls tells whether a status is below an earlier one.
func (r *rules) falls(from, to string) bool {
	return slices.Index(r.order, to) < slices.Index(r.order, from)
}

// with joins what two events tell of one recording.
func (r recording) with(known recording) recording {
	out := r
	if slices.Index(recordingOrder, known.status) > slices.Index(recordingOrder, out.status) {
		out.status = known.status
	}
	out.seconds = max(out.seconds, known.seconds)
	return out
}
