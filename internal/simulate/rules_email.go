package simulate

import "slices"

// severity lists what recipients may have come to, from the best to the worst:
// an e-mail is as far as the worst of those of whom the end is known.
var severity = []string{
	"intended", "sent", "delayed", // not final: the highest
	"delivered", "bounced_transient", "bounced_permanent", "rejected", "rendering_failed",
}

// ofAll are the statuses of an e-mail as a whole, whomever the event lists.
var ofAll = []string{"rejected", "rendering_failed"}

// worstRecipient: each recipient has its best state, and what holds for the
// e-mail holds for each; the e-mail has the worst of theirs.
func (r *rules) worstRecipient(applied []*told) outcome {
	o := outcome{reached: map[string]bool{}, recipients: map[string]state{}}
	var whole state
	for _, t := range applied {
		o.reached[t.status] = true
		if len(t.whom) == 0 || slices.Contains(ofAll, t.status) {
			whole = r.better(whole, t.state)
			continue
		}
		for _, address := range t.whom {
			o.recipients[address] = r.better(o.recipients[address], t.state)
		}
	}
	o.state = whole
	first := true
	for _, own := range o.recipients {
		if s := r.better(own, whole); first || r.worse(s, o.state) {
			o.state, first = s, false
		}
	}
	return o
}

// worse tells whether a state is worse than another: of the same status, the
// one whose code says more.
func (r *rules) worse(a, b state) bool {
	if d := slices.Index(severity, a.status) - slices.Index(severity, b.status); d != 0 {
		return d > 0
	}
	return r.preferred(a.code, b.code)
}
