package operate

import (
	"context"
	"slices"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider"
)

// Party is how a provider's requests are tried anew.
type Party struct {
	// Verifier returns the verifier that ingest uses, for base URLs.
	Verifier func(bases []string) (provider.Verifier, error)
	// Lenient is a Verifier that takes signatures of any time, nil if the
	// provider's have none.
	Lenient func(bases []string) (provider.Verifier, error)
	// Spellings lists how a request may have been signed, as it came first.
	Spellings func(*provider.Request) []provider.Spelling
	// BaseSpellings lists how a base URL may have been given to the provider,
	// as it is first; nil if the provider does not sign the URL.
	BaseSpellings func(base string) []provider.BaseSpelling
}

// Base is a base URL that a request may have been signed for.
type Base struct {
	URL string
	How string // "" = it is configured; else where it comes from
}

// The verdicts of an [Explanation]. They are promises.
const (
	VerdictVerifies    = "verifies"    // ingest accepts it as it is
	VerdictExplained   = "explained"   // something differs, and this is what
	VerdictRefused     = "refused"     // refused before its signature is looked at
	VerdictUnexplained = "unexplained" // nothing that is known would have verified
)

// Explanation says why a request was refused. It holds no secret and nothing of
// the request but its base URL, where the signature proves that one. Its JSON
// names are promises.
type Explanation struct {
	Provider events.Provider `json:"provider"`
	Kind     events.Kind     `json:"kind,omitempty"`
	Verdict  string          `json:"verdict"`
	Reason   string          `json:"reason,omitempty"` // ingest's word for the refusal, "" = none
	Differs  []string        `json:"differs"`          // what must be undone for it to verify
	BaseURL  string          `json:"base_url,omitempty"`
	TokenID  string          `json:"token_id,omitempty"` // the secret that signed, see account list
	Secrets  int             `json:"secrets_tried"`
	Tried    int             `json:"spellings_tried"`
	Next     string          `json:"next"`
}

// Explain tells why a request does not verify, by trying ingest's own verifier
// on each spelling of it.
type Explain struct {
	Party   Party
	Signers []provider.Signer // who may sign, and secrets that were given beside them
	Bases   []Base            // configured ones first
}

// Run explains a request whose path and head are as ingest wants them.
func (x *Explain) Run(ctx context.Context, r *provider.Request) (Explanation, error) {
	e := Explanation{Kind: r.Kind, Differs: []string{}}
	for _, s := range x.Signers {
		e.Secrets += len(s.Secrets)
	}
	configured, all := x.bases()
	if len(configured) == 0 && x.Party.BaseSpellings != nil {
		return e, refuse("no base URL is known: set WAYBILL_PUBLIC_URL to that of ingest, or give --public-url")
	}
	verifier, err := x.Party.Verifier(urls(configured))
	if err != nil {
		return e, refuse("a base URL cannot be used: %w", err)
	}
	e.Provider = verifier.Provider()
	asked := unasked
	_, err = verifier.Verify(ctx, r, roster{signers: x.Signers, asked: &asked})
	if err == nil {
		e.Verdict = VerdictVerifies
		e.TokenID = x.token(ctx, verifier, r)
		e.Next = Advice("")
		return e, nil
	}
	e.Reason = fault.ReasonOf(err)
	e.Next = Advice(e.Reason)
	if e.Reason == "missing_signature" || e.Reason == "malformed_signature" {
		e.Verdict = VerdictRefused
		return e, nil
	}
	e.Verdict = VerdictUnexplained
	for _, s := range x.Party.Spellings(r) {
		for _, t := range x.attempts(configured, all) {
			e.Tried++
			ok, err := x.try(ctx, t, &s, x.of(&asked), &e)
			if err != nil || ok {
				return e, err
			}
		}
	}
	return e, nil
}

// attempt is one group of what a spelling is tried with.
type attempt struct {
	verifier func(bases []string) (provider.Verifier, error)
	bases    []Base
	how      string
}

const howLate = "its time was too far from the clock that checked it"

// attempts come by how much they differ from what ingest does.
func (x *Explain) attempts(configured, all []Base) []attempt {
	out := []attempt{{x.Party.Verifier, configured, ""}}
	if x.Party.BaseSpellings != nil {
		out = append(out, attempt{x.Party.Verifier, all, ""})
	}
	if x.Party.Lenient != nil {
		out = append(out, attempt{x.Party.Lenient, configured, howLate})
	}
	return out
}

// try tells whether a spelling verifies, and fills in with what.
func (x *Explain) try(ctx context.Context, t attempt, s *provider.Spelling, own roster, e *Explanation) (bool, error) {
	v, err := t.verifier(urls(t.bases))
	if err != nil {
		return false, refuse("a base URL cannot be used: %w", err)
	}
	everybody := roster{signers: x.Signers, any: true}
	foreign := false
	if _, err := v.Verify(ctx, &s.Request, own); err != nil {
		if _, err := v.Verify(ctx, &s.Request, everybody); err != nil {
			return false, nil //nolint:nilerr // it is the answer
		}
		foreign = true
	}
	e.Verdict = VerdictExplained
	for _, b := range t.bases { // which of them
		if x.Party.BaseSpellings == nil {
			break
		}
		one, err := t.verifier([]string{b.URL})
		if err != nil {
			return false, refuse("a base URL cannot be used: %w", err)
		}
		if _, err := one.Verify(ctx, &s.Request, everybody); err == nil {
			v = one
			e.BaseURL = b.URL
			if b.How != "" {
				e.Differs = append(e.Differs, b.How)
			}
			break
		}
	}
	e.Differs = append(e.Differs, s.How...)
	if t.how != "" {
		e.Differs = append(e.Differs, t.how)
	}
	if foreign && e.Reason != reasonUnknown {
		e.Differs = append(e.Differs, "it was signed with a secret that is not registered for the account that it names")
	} else if foreign {
		e.Differs = append(e.Differs, "the account that it names is not registered; the secret is")
	}
	e.TokenID = x.token(ctx, v, &s.Request)
	e.Next = x.next(e, foreign, t.how != "")
	return true, nil
}

// reasonUnknown is what verifiers call an account that is not registered.
const reasonUnknown = "unknown_account"

func (x *Explain) next(e *Explanation, foreign, late bool) string {
	configured := slices.ContainsFunc(x.Bases, func(b Base) bool { return b.How == "" && b.URL == e.BaseURL })
	switch {
	case foreign && e.Reason == reasonUnknown:
		return Advice(reasonUnknown)
	case foreign:
		return "register the secret for the account that signs: `waybill account add`; `waybill account list` shows whose the token is"
	case late:
		return Advice("stale")
	case e.BaseURL != "" && !configured && len(e.Differs) == 1:
		return "add base_url to WAYBILL_PUBLIC_URL, or give the provider the URL that is configured"
	case e.BaseURL != "" && !configured:
		return "add base_url to WAYBILL_PUBLIC_URL, and let what stands between the provider and ingest pass on URL and body byte for byte"
	}
	return "let what stands between the provider and ingest pass on URL and body byte for byte; if the file was edited or saved anew, that may be all"
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

// bases returns the configured base URLs, and those with every other spelling
// of every base.
func (x *Explain) bases() (configured, all []Base) {
	seen := map[string]bool{}
	add := func(to *[]Base, b Base) {
		if !seen[b.URL] {
			seen[b.URL] = true
			*to = append(*to, b)
		}
	}
	for _, b := range x.Bases {
		if b.How == "" {
			add(&configured, b)
		}
	}
	all = slices.Clone(configured)
	if x.Party.BaseSpellings == nil {
		return configured, all
	}
	for _, b := range x.Bases {
		for _, s := range x.Party.BaseSpellings(b.URL) {
			how := s.How
			if b.How != "" {
				how = b.How
			}
			if how != "" {
				add(&all, Base{s.URL, how})
			}
		}
	}
	return configured, all
}

func urls(bases []Base) []string {
	out := make([]string, len(bases))
	for i, b := range bases {
		out[i] = b.URL
	}
	return out
}

// roster is who may sign, complete and at rest.
type roster struct {
	signers []provider.Signer
	any     bool    // every name is answered with all secrets that there are
	asked   *string // the name that was looked up last; may be nil
}

// Signer implements [provider.Signers].
func (r roster) Signer(_ events.Provider, name string) (provider.Signer, provider.Knowledge) {
	if r.asked != nil {
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

// of returns the signer that a request names; all, if it was refused before
// anybody was looked up or its provider's requests name none.
func (x *Explain) of(name *string) roster {
	if *name == unasked {
		return roster{signers: x.Signers, any: true}
	}
	own := roster{any: true}
	for _, s := range x.Signers {
		if s.Name == *name {
			own.signers = append(own.signers, s)
		}
	}
	return own
}

// unasked is no name.
const unasked = "\x00"
