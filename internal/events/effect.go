package events

// Effect is what applying a batch came to.
type Effect struct {
	Status     []Status        // status events to publish, each message's in order
	Outcomes   map[Outcome]int // events by outcome
	Duplicates int             // repeats under another receipt
}

// Step is what one event did to its row.
type Step struct {
	// Outcome is Applied if the event made the row or told it something: a
	// better state, a description, a fact; Stale if the row knew better; Dead
	// if the event makes no sense, then nothing else happened and Reason says why.
	Outcome Outcome
	Reason  string
	// Transition tells that (status, error code) changed or the row is new:
	// the version went up by one and a status event is due.
	Transition bool
	// Changed tells that the row must be written. A stale event may change it
	// too: a status reached for the first time counts however late it is
	// reported, and the times of receiving move.
	Changed bool
	// The row's version and state after the event.
	Version   int64
	Status    string
	ErrorCode string
}
