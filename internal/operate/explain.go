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
	// Spellings lists how a request may have been signed, as it came first; nil if
	// there is one way alone.
	Spellings func(*provider.Request) []provider.Spelling
	// BaseSpellings lists how a base URL may have been given to the provider,
	// as it is first; nil if the provider does not sign the URL.
	BaseSpellings func(base string) []provider.BaseSpelling
	// SignedWith returns a secret that was found as what it would have to be
	// registered as for a request to verify with it; nil = as it is.
	SignedWith func(*provider.Request, provider.Secret) provider.Secret
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
	verified, err := verifier.Verify(ctx, r, roster{signers: x.Signers, asked: &asked})
	if err == nil {
		e.Verdict = VerdictVerifies
		if e.TokenID = verified.Token; e.TokenID == "" && x.Party.Spellings != nil {
			e.TokenID = x.token(ctx, verifier, r)
		}
		e.Next = Advice("")
		return e, nil
	}
	e.Reason = fault.ReasonOf(err)
	e.Next = Advice(e.Reason)
	if x.Party.Spellings == nil || slices.Contains(unread, e.Reason) {
		e.Verdict = VerdictRefused
		return e, nil
	}
	e.Verdict = VerdictUnexplained
	spellings := x.Party.Spellings(r)
	for _, t := range x.attempts(asked, configured, all) {
		for i := range spellings {
			if err := ctx.Err(); err != nil {
				return e, err
			}
			e.Tried++
			v, err := t.verifier(urls(t.bases))
			if err != nil {
				return e, refuse("a base URL cannot be used: %w", err)
			}
			if _, err := v.Verify(ctx, &spellings[i].Request, t.who); err == nil {
				x.found(ctx, t, &spellings[i], &e)
				return e, nil
			}
		}
	}
	return e, nil
}

// unread are the reasons of refusals for which no spelling is tried: the request
// does not say with what it was signed.
var unread = []string{"missing_signature", "malformed_signature", "missing_settings", "malformed_settings", "unknown_algorithm"}

// reasonUnknown is what verifiers call an account that is not registered.
const reasonUnknown = "unknown_account"

func (x *Explain) next(e *Explanation, t attempt) string {
	configured := slices.ContainsFunc(x.Bases, func(b Base) bool { return b.How == "" && b.URL == e.BaseURL })
	switch {
	case t.foreign && e.Reason == reasonUnknown:
		return Advice(reasonUnknown)
	case t.foreign:
		return "register the secret for the account that signs: `waybill account add`; `waybill account list` shows whose the token is"
	case t.late:
		return Advice("stale")
	case e.BaseURL != "" && !configured && len(e.Differs) == 1:
		return "add base_url to WAYBILL_PUBLIC_URL, or give the provider the URL that is configured"
	case e.BaseURL != "" && !configured:
		return "add base_url to WAYBILL_PUBLIC_URL, and let what stands between the provider and ingest pass on URL and body byte for byte"
	}
	return "let what stands between the provider and ingest pass on URL and body byte for byte; if the file was edited or saved anew, that may be all"
}
