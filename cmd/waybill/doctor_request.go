package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"waybill/internal/app"
	"waybill/internal/bus/kafkabus"
	"waybill/internal/config"
	"waybill/internal/events"
	"waybill/internal/ingest"
	"waybill/internal/operate"
	"waybill/internal/provider"
	"waybill/internal/provider/connect"
	"waybill/internal/provider/ses"
	"waybill/internal/provider/sns"
	"waybill/internal/provider/stripe"
	"waybill/internal/provider/twilio"
)

type doctorRequestCmd struct {
	File      string   `arg:"" help:"The request as it stood on the wire, or a sample from waybill.rejected.v1 (JSON); - for standard input."`
	PublicURL []string `placeholder:"URL" help:"Another base URL that it may have been signed for; repeat it for several."`
	Secret    []string `name:"secret-file" placeholder:"FILE" help:"File with a token or signing secret that may have signed it, beside those that are registered."`
	At        *past    `placeholder:"TIME" help:"When it came: a time, or how long ago. Now when left out."`
}

// Help gives examples.
func (doctorRequestCmd) Help() string {
	return `The file holds the request line, the headers, an empty line and the body, byte for byte. It is held against ingest's own
verifier as it is, and then with other base URLs (scheme, port, prefix, the request's Host), a slash more or less at the end of the
path, other orders and escapes of the query, other forms of the body, and every secret that is known. The answer names what would have
verified. Of what SNS signed, and of keys, only the reason can be told; a certificate of SNS is fetched from AWS or read from
WAYBILL_SNS_CERT_DIR, as ingest does. It never shows a secret, a signature, or a value of the request; the one exception is the base URL that the signature proves.

Registered secrets are read as ingest reads them, with WAYBILL_SECRET_KEY and WAYBILL_KAFKA_BROKERS; base URLs come from
WAYBILL_PUBLIC_URL. Exits with 1 when nothing explains it. A sample holds no values, so of one only the reason can be explained.

Examples:

  waybill doctor request refused.http
  waybill doctor request refused.http --public-url https://old.example.com --secret-file token.txt
  kafka-console-consumer.sh ... --topic waybill.rejected.v1 --max-messages 1 | waybill doctor request -`
}

// maxSaved bounds a saved request, in bytes.
const maxSaved = 2 << 20

// Run explains a request.
func (c doctorRequestCmd) Run(s *session) error {
	saved, err := s.saved(c.File)
	if err != nil {
		return err
	}
	var e operate.Explanation
	note := ""
	if bytes.HasPrefix(bytes.TrimSpace(saved), []byte("{")) {
		e, err = explainSample(saved)
	} else {
		e, note, err = c.explain(s, saved)
	}
	if err != nil {
		return err
	}
	if note != "" {
		e.Differs = append([]string{note}, e.Differs...)
	}
	if err := s.print(&e, func(w io.Writer) { printExplanation(w, &e) }); err != nil {
		return err
	}
	if e.Verdict == operate.VerdictUnexplained {
		return errShown
	}
	return nil
}

func (s *session) saved(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(io.LimitReader(s.in, maxSaved))
	}
	b, err := os.ReadFile(path)
	switch {
	case err != nil:
		return nil, &operate.UsageError{What: "the file cannot be read"}
	case len(b) > maxSaved:
		return nil, &operate.UsageError{What: fmt.Sprintf("the file has more than %d bytes: ingest takes no such request", maxSaved)}
	}
	return b, nil
}

// explainSample says what a sample, which holds no values, lets one say.
func explainSample(saved []byte) (operate.Explanation, error) {
	var r ingest.Rejected
	if err := json.Unmarshal(saved, &r); err != nil || r.Reason == "" {
		return operate.Explanation{}, &operate.UsageError{What: "neither a request as it stands on the wire nor a sample from " + events.TopicRejected}
	}
	e := operate.Explanation{Verdict: operate.VerdictRefused, Differs: []string{}, Next: operate.Advice(r.Reason)}
	for _, known := range []events.Provider{events.Twilio, events.SES, events.Connect, events.Stripe, "none"} {
		if r.Provider == known {
			e.Provider = known
		}
	}
	if operate.KnownReason(r.Reason) {
		e.Reason = r.Reason
	}
	if plainWords.MatchString(r.Verdict) {
		e.Differs = append(e.Differs, r.Verdict)
	}
	e.Differs = append(e.Differs, operate.Notice(r.Headers, r.Query)...)
	return e, nil
}

// plainWords is a sentence of ours: no token, number or URL looks like it.
var plainWords = regexp.MustCompile(`^[a-z]+'?[a-z]*( [a-zA-Z]+'?[a-z]*){2,40}$`)

func (c doctorRequestCmd) explain(s *session, saved []byte) (operate.Explanation, string, error) {
	w, err := operate.ReadWire(saved)
	if err != nil {
		return operate.Explanation{}, "", err
	}
	front := ingest.FrontOf(w.Head)
	if front.Reason != "" {
		e := operate.Explanation{
			Provider: front.Provider, Kind: front.Kind, Verdict: operate.VerdictRefused, Reason: front.Reason,
			Differs: []string{}, Next: operate.Advice(front.Reason),
		}
		if front.Near != "" {
			e.Differs = append(e.Differs, front.Near)
		}
		return e, w.Note, nil
	}
	signers, err := c.signers(s, front.Provider)
	if err != nil {
		return operate.Explanation{}, "", err
	}
	at := time.Now()
	if c.At != nil {
		at = c.At.Time
	}
	party, err := c.party(s, front.Provider, at)
	if err != nil {
		return operate.Explanation{}, "", err
	}
	x := operate.Explain{Party: party, Signers: signers}
	for u := range strings.SplitSeq(s.env["WAYBILL_PUBLIC_URL"], ",") {
		if u = strings.TrimRight(strings.TrimSpace(u), "/"); u != "" {
			x.Bases = append(x.Bases, operate.Base{URL: u})
		}
	}
	how := "the URL was one that is not configured"
	if len(x.Bases) == 0 {
		how = ""
	}
	for _, u := range c.PublicURL {
		x.Bases = append(x.Bases, operate.Base{URL: strings.TrimRight(u, "/"), How: how})
	}
	x.Bases = append(x.Bases, w.Bases()...)
	r := &provider.Request{
		Kind: front.Kind, Method: w.Head.Method, URI: w.Head.RequestURI, Header: w.Head.Header, Body: w.Body, At: at,
	}
	for i, signer := range signers {
		if as := x.Party.SignedWith; as != nil && signer.Name == "" { // it was given
			signers[i].Secrets[0] = as(r, signer.Secrets[0])
		}
	}
	e, err := x.Run(s.ctx, r)
	return e, w.Note, err
}

// signers returns those of a provider that are registered, and the secrets that
// were given.
func (c doctorRequestCmd) signers(s *session, p events.Provider) ([]provider.Signer, error) {
	var out []provider.Signer
	for i, path := range c.Secret {
		value, err := s.secretFile("--secret-file", path)
		if err != nil {
			return nil, err
		}
		out = append(out, provider.Signer{Secrets: []provider.Secret{{ID: fmt.Sprintf("--secret-file %d", i+1), Value: value}}})
	}
	if s.env["WAYBILL_SECRET_KEY"] == "" && len(out) > 0 {
		return out, nil
	}
	var cfg sealing
	if err := config.Load(&cfg, s.env); err != nil {
		return nil, err
	}
	err := s.withKafka(func(client *kafkabus.Client) error {
		ctx, cancel := context.WithTimeout(s.ctx, doctorTimeout)
		defer cancel()
		snapshot, err := s.signers(ctx, client)
		if err != nil {
			return err
		}
		registered, _ := snapshot.Signers(p)
		out = append(registered[:len(registered):len(registered)], out...)
		return nil
	})
	return out, err
}

// party returns how a provider's requests are tried anew, at a time.
func (c doctorRequestCmd) party(s *session, p events.Provider, at time.Time) (operate.Party, error) {
	switch p { //nolint:exhaustive // what is left comes through SNS, or with a key
	case events.Twilio:
		return operate.Party{
			Verifier:  func(bases []string) (provider.Verifier, error) { return twilio.New(bases) },
			Spellings: twilio.Spellings, BaseSpellings: twilio.BaseSpellings, SignedWith: twilio.SignedWith,
		}, nil
	case events.Stripe:
		return operate.Party{
			Verifier:  func([]string) (provider.Verifier, error) { return stripe.New(stripe.Tolerance), nil },
			Lenient:   func([]string) (provider.Verifier, error) { return stripe.New(anyTime), nil },
			Spellings: stripe.Spellings,
		}, nil
	}
	var cfg ingest.SNSConfig
	if err := config.Load(&cfg, s.env); err != nil {
		return operate.Party{}, err
	}
	topics, err := app.SNSOptions(cfg)
	if err != nil {
		return operate.Party{}, err
	}
	topics.Now = func() time.Time { return at }
	envelopes := sns.New(topics)
	// What SNS signs has one spelling, and a key has one: the reason says it all.
	return operate.Party{Verifier: func([]string) (provider.Verifier, error) {
		if p == events.SES {
			return ses.New(envelopes), nil
		}
		return connect.New(envelopes), nil
	}}, nil
}

// anyTime is longer than any signature is old.
const anyTime = 250 * 365 * 24 * time.Hour

func printExplanation(w io.Writer, e *operate.Explanation) {
	line := func(name string, value any) { fmt.Fprintf(w, "%s\t%v\n", name, value) }
	line("provider", e.Provider)
	if e.Kind != "" {
		line("kind", e.Kind)
	}
	line("verdict", e.Verdict)
	if e.Reason != "" {
		line("reason", e.Reason)
	}
	for _, d := range e.Differs {
		line("differs", d)
	}
	if e.BaseURL != "" {
		line("base url", e.BaseURL)
	}
	if e.TokenID != "" {
		line("signed with", "secret "+e.TokenID)
	}
	if e.Tried > 0 {
		line("tried", fmt.Sprintf("spellings: %d, secrets: %d", e.Tried, e.Secrets))
	}
	line("next", e.Next)
}
