package operate

import (
	"waybill/internal/events"
	"waybill/internal/provider"
)

// roster is who may sign, complete and at rest.
type roster struct {
	signers []provider.Signer
	any     bool    // every name is answered with all secrets that there are
	asked   *string // the name that was looked up first, while it is [unasked]; may be nil
}

// Signer implements [provider.Signers].
func (r roster) Signer(_ events.Provider, name string) (provider.Signer, provider.Knowledge) {
	if r.asked != nil && *r.asked == unasked {
		*r.asked = name
	}
	if r.any {
		all := provider.Signer{Name: name}
		for _, s := range r.signers {
			all.Secrets = append(all.Secrets, s.Secrets...)
		}
		return all, provider.Known
	}
	for _, s := range r.signers {
		if s.Name == name {
			return s, provider.Known
		}
	}
	return provider.Signer{}, provider.Unknown
}

// Signers implements [provider.Signers].
func (r roster) Signers(events.Provider) ([]provider.Signer, provider.Knowledge) {
	if len(r.signers) == 0 {
		return nil, provider.Unknown
	}
	return r.signers, provider.Known
}

// named returns the secrets of the signer that a request names, whatever it is asked for.
func (x *Explain) named(name string) roster {
	own := roster{any: true}
	for _, s := range x.Signers {
		if s.Name == name {
			own.signers = append(own.signers, s)
		}
	}
	return own
}

// unasked stands for the name where nobody was looked up: the request was refused
// before, or its provider's requests name none.
const unasked = "\x00"
