package providertest

import (
	"waybill/internal/events"
	"waybill/internal/provider"
)

// Signers is a snapshot of who may sign, written by hand.
type Signers struct {
	// Known are the registered signers by name.
	Known map[string]provider.Signer
	// Missing is what a look-up of any other name answers: Unknown or Unsure.
	Missing provider.Knowledge
}

var _ provider.Signers = Signers{}

// Register returns a complete snapshot that holds one signer with the given
// secrets; with none the signer is registered without any.
func Register(name string, secrets ...[]byte) Signers {
	s := provider.Signer{Name: name}
	for _, value := range secrets {
		s.Secrets = append(s.Secrets, provider.Secret{Value: value})
	}
	return Signers{Known: map[string]provider.Signer{name: s}, Missing: provider.Unknown}
}

// Nobody returns an empty snapshot, complete (Unknown) or not (Unsure).
func Nobody(k provider.Knowledge) Signers { return Signers{Missing: k} }

// Signer implements [provider.Signers].
func (s Signers) Signer(_ events.Provider, name string) (provider.Signer, provider.Knowledge) {
	if signer, ok := s.Known[name]; ok {
		return signer, provider.Known
	}
	return provider.Signer{}, s.Missing
}

// Signers implements [provider.Signers].
func (s Signers) Signers(events.Provider) ([]provider.Signer, provider.Knowledge) {
	if len(s.Known) == 0 {
		return nil, s.Missing
	}
	all := make([]provider.Signer, 0, len(s.Known))
	for _, signer := range s.Known {
		all = append(all, signer)
	}
	return all, provider.Known
}
