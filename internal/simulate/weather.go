package simulate

import (
	"errors"
	"fmt"
)

// Weather is how badly a run goes. Shares lie between 0 and 1.
type Weather struct {
	Early       float64 // share of what is sent whose callbacks come before its send record
	Duplicate   float64 // share of callbacks and send records that come again
	Reorder     float64 // share of messages, calls and contacts whose callbacks come in any order
	Forge       float64 // forged requests for each genuine one
	CrossTenant float64 // share of messages, calls and contacts that another organisation signs a callback for
	Burst       float64 // one second of every ten has so many times the rate; 0 and 1 = never
}

// maxBurst keeps a typing error from asking for more than any machine can do.
const maxBurst = 100

// Validate reports everything that cannot be.
func (w Weather) Validate() error {
	var errs []error
	for _, f := range []struct {
		flag  string
		share float64
	}{{"early", w.Early}, {"duplicate", w.Duplicate}, {"reorder", w.Reorder}, {"forge", w.Forge}, {"cross-tenant", w.CrossTenant}} {
		if !(f.share >= 0 && f.share <= 1) {
			errs = append(errs, fmt.Errorf("--%s: want a share between 0 and 1", f.flag))
		}
	}
	if !(w.Burst >= 0 && w.Burst <= maxBurst) {
		errs = append(errs, fmt.Errorf("--burst: want a factor between 1 and %d", maxBurst))
	}
	return errors.Join(errs...)
}
