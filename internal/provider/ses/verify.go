package ses

import (
	"context"
	"encoding/json"
	"net/http"

	"waybill/internal/events"
	"waybill/internal/provider"
	"waybill/internal/provider/sns"
)

var _ provider.Verifier = (*SES)(nil)

// SES verifies requests, and reads them. It is safe for concurrent use.
type SES struct {
	Parser
	sns *sns.Verifier
}

// New returns an SES that takes what SNS delivers for what a Verifier says of it.
func New(v *sns.Verifier) *SES { return &SES{sns: v} }

// Reasons returns the closed set of reasons.
func (*SES) Reasons() []string { return sns.Reasons() }

// Verify implements [provider.Verifier]. The signer is the topic.
func (s *SES) Verify(ctx context.Context, r *provider.Request, signers provider.Signers) (provider.Verified, error) {
	m, err := s.sns.Verify(ctx, r.Header, r.Body, provider.Registered(signers, events.SES))
	if err != nil {
		return provider.Verified{}, err
	}
	v := provider.Verified{Signer: m.TopicARN, Kind: events.KindEmail, Headers: kept(r.Header)}
	if m.Type != sns.Notification {
		v.Kind = events.KindTopic
	}
	if v.Key = messageOf(m.Body); v.Key == "" {
		v.Key = m.TopicARN + "/" + string(v.Kind)
	}
	return v, nil
}

// messageOf returns the id of the e-mail that a text is about, "" if it cannot
// be read. It is where SES put it, or nowhere: what is wrong with the rest the
// parser will say.
func messageOf(text string) string {
	var b struct {
		Mail struct {
			MessageID string `json:"messageId"`
		} `json:"mail"`
	}
	_ = json.Unmarshal([]byte(text), &b) // a member of the wrong type leaves the others
	if !isID(b.Mail.MessageID) {
		return ""
	}
	return b.Mail.MessageID
}

// kept returns the headers that the raw record keeps.
func kept(h http.Header) []events.Header {
	return provider.Kept(h, append(sns.Headers(), "Content-Type")...)
}
