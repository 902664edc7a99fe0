package billing

import "slices"

// derive returns the status at the end of the second in which the events of
// seen were made, all at once as far as their clock can tell; "" if there are
// none.
//
// Each event that changed the status is a step from its previous status to its
// own, and together they are the trail the object took. Wherever a trail
// passes through it enters as often as it leaves; only its end is entered once
// more. That is the status:
//
//	updated(active <- incomplete), created(incomplete)           active
//	past_due <- active, unpaid <- past_due, active <- unpaid     open: a ring
//
// Where that leaves it open (a ring, events still missing, events that changed
// nothing), the status furthest along its kind's life wins among those
// that may be the end. As more events of the second arrive the answer may
// change; it depends on the set alone.
func derive(life []string, seen []Seen) string {
	surplus := map[string]int{} // times entered less times left
	for _, s := range seen {
		surplus[s.Status] += 0 // an event that changed nothing still names a status
		if s.Previous != "" {
			surplus[s.Status]++
			surplus[s.Previous]--
		}
	}
	var ends, rest string
	for status, n := range surplus {
		switch {
		case n > 0:
			ends = further(life, ends, status)
		case n == 0:
			rest = further(life, rest, status)
		}
	}
	if ends != "" {
		return ends
	}
	return rest
}

// further returns the status that is further along a life. One
// that we do not know is before all that we know; of two such the greater text.
func further(life []string, a, b string) string {
	ia, ib := slices.Index(life, a), slices.Index(life, b)
	if ia > ib || (ia == ib && a > b) {
		return a
	}
	return b
}
