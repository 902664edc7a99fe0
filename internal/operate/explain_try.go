package operate

import (
	"context"

	"waybill/internal/provider"
)

// attempt is what every spelling is tried with.
type attempt struct {
	who      roster
	verifier func(bases []string) (provider.Verifier, error)
	bases    []Base
	foreign  bool // who holds the secrets of others than the account that is named
	late     bool // any time is taken
}

// attempts come by how much they differ from what ingest does, and by how many
// secrets they take.
func (x *Explain) attempts(asked string, configured, all []Base) []attempt {
	var out []attempt
	add := func(who roster, foreign bool) {
		out = append(out, attempt{who, x.Party.Verifier, configured, foreign, false})
		if x.Party.BaseSpellings != nil {
			out = append(out, attempt{who, x.Party.Verifier, all, foreign, false})
		}
		if x.Party.Lenient != nil {
			out = append(out, attempt{who, x.Party.Lenient, configured, foreign, true})
		}
	}
	everybody := roster{signers: x.Signers, any: true}
	if asked != unasked {
		add(x.named(asked), false)
	}
	add(everybody, asked != unasked)
	return out
}

// found fills in with what a spelling verifies.
func (x *Explain) found(ctx context.Context, t attempt, s *provider.Spelling, e *Explanation) {
	e.Verdict = VerdictExplained
	verifier, err := t.verifier(urls(t.bases))
	if err != nil {
		return // it was made of the same before
	}
	if x.Party.BaseSpellings != nil {
		for _, b := range t.bases { // which of them
			one, err := t.verifier([]string{b.URL})
			if err != nil {
				continue
			}
			if _, err := one.Verify(ctx, &s.Request, t.who); err == nil {
				verifier, e.BaseURL = one, b.URL
				e.differ(b.How)
				break
			}
		}
	}
	for _, how := range s.How {
		e.differ(how)
	}
	switch {
	case t.late:
		e.differ("its time was too far from the clock that checked it")
	case t.foreign && e.Reason == reasonUnknown:
		e.differ("the account that it names is not registered; the secret is")
	case t.foreign:
		e.differ("it was signed with a secret that is not registered for the account that it names")
	}
	e.TokenID = x.token(ctx, verifier, &s.Request)
	e.Next = x.next(e, t)
}

func (e *Explanation) differ(how string) {
	if how != "" {
		e.Differs = append(e.Differs, how)
	}
}

// token returns the id of the secret with which a request verifies.
func (x *Explain) token(ctx context.Context, v provider.Verifier, r *provider.Request) string {
	for _, s := range x.Signers {
		for _, secret := range s.Secrets {
			one := roster{signers: []provider.Signer{{Name: s.Name, Secrets: []provider.Secret{secret}}}, any: true}
			if _, err := v.Verify(ctx, r, one); err == nil {
				return secret.ID
			}
		}
	}
	return ""
}
