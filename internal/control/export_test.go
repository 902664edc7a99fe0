package control

import "time"

// LookAgain is how long a confirmer goes without credentials.
const LookAgain = lookAgain

// SetNow gives s another clock.
func (s *SNS) SetNow(now func() time.Time) { s.now = now }
