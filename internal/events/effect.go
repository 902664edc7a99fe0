package events

// Effect is what applying a batch came to.
type Effect struct {
	Status     []MessageStatus // status events to publish, each message's in order
	Outcomes   map[Outcome]int // events by outcome
	Duplicates int             // repeats under another receipt
}
