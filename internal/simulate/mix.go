package simulate

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// Mix says how many of what is begun is of which kind, in parts of their sum.
type Mix map[Part]float64

// Part is a kind of story.
type Part string

// The parts.
const (
	Messages Part = "messages" // SMS and WhatsApp, in both directions: Twilio
	Emails   Part = "emails"   // SES
	Calls    Part = "calls"    // Twilio
	Contacts Part = "contacts" // Amazon Connect
	Billing  Part = "billing"  // Stripe
)

// Parts lists them.
func Parts() []Part { return []Part{Messages, Emails, Calls, Contacts, Billing} }

// Playable returns the mix without what only a topic that can sign delivers.
func (m Mix) Playable(canSign bool) Mix {
	m = maps.Clone(m)
	if !canSign {
		delete(m, Emails)
	}
	return m
}

// Validate reports what cannot be played.
func (m Mix) Validate() error {
	sum := 0.0
	for part, share := range m {
		if !slices.Contains(Parts(), part) {
			return fmt.Errorf("--mix: want %s, not %q", partNames(), part)
		}
		if !(share >= 0) {
			return fmt.Errorf("--mix: want a number of at least 0 for %s", part)
		}
		sum += share
	}
	if !(sum > 0 && sum < 1e9) {
		return fmt.Errorf("--mix: want something to play: %s", partNames())
	}
	return nil
}

func partNames() string {
	names := make([]string, 0, len(Parts()))
	for _, p := range Parts() {
		names = append(names, string(p))
	}
	return strings.Join(names, ", ")
}

// draw returns a part, each as often as its share says.
func (m Mix) draw(random *rand.Rand) Part {
	sum := 0.0
	for _, share := range m {
		sum += share
	}
	x := random.Float64() * sum
	var drawn Part
	for _, p := range Parts() { // a map has no order, and the same seed plays the same
		if m[p] == 0 {
			continue
		}
		if drawn = p; x < m[p] {
			break
		}
		x -= m[p]
	}
	return drawn
}
