package provider

// Spelling is a request as it may have been signed. It is only ever used to
// explain a refusal: nothing is accepted because another spelling would verify.
type Spelling struct {
	Request Request
	How     []string // what differs from how it came, in words that hold no value of it; empty = nothing
}

// BaseSpelling is a base URL in another way to write it.
type BaseSpelling struct {
	URL string
	How string // what differs, "" = nothing
}

// SpellingError is the cause of a refusal where another spelling would have
// verified. How says what differs, in words that hold no value of the request.
type SpellingError struct{ How string }

// Error returns what differs.
func (e *SpellingError) Error() string { return e.How }
