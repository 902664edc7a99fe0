package connect

import (
	"context"
	"net/http"
	"slices"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/provider/sns"
	"waybill/internal/tenants"
)

var _ provider.Carrier = (*Connect)(nil)

// reasonUnboundTopic: the topic is one of ours, but it is not registered which
// instance's events it carries: an operator must act.
const reasonUnboundTopic = "unbound_topic"

// Connect verifies requests by the three ways in, and reads them. It is safe
// for concurrent use.
type Connect struct {
	Parser
	sns *sns.Verifier
}

// New returns a Connect that takes what SNS delivers for what a Verifier says
// of it.
func New(v *sns.Verifier) *Connect { return &Connect{sns: v} }

// Reasons returns the closed set of reasons.
func (c *Connect) Reasons() []string {
	return slices.Concat(KeyReasons(), []string{reasonUnboundTopic}, sns.Reasons(), RequestReasons())
}

// Verify implements [provider.Verifier]. The signer is always the instance, by
// whichever way a request came. A request that presents a key is judged by it
// alone.
func (c *Connect) Verify(ctx context.Context, r *provider.Request, signers provider.Signers) (provider.Verified, error) {
	switch {
	case r.Kind == events.KindContactRecord:
		return byKey(r, HeaderFirehoseKey, signers)
	case r.Header.Values(HeaderAPIKey) == nil && sns.Claimed(r.Header):
		return c.byTopic(ctx, r, signers)
	}
	return byKey(r, HeaderAPIKey, signers)
}

// byKey verifies a request by the key that it presents in a header.
func byKey(r *provider.Request, header string, signers provider.Signers) (provider.Verified, error) {
	all, knowledge := signers.Signers(events.Connect)
	instance, keyID, err := Holder(r.Header, header, all, knowledge)
	if err != nil {
		return provider.Verified{}, err
	}
	return provider.Verified{
		Signer: instance, Token: keyID, Key: keyOf(instance, r.Kind, r.Body), Headers: kept(r.Header),
	}, nil
}

// byTopic verifies what SNS delivers. A topic speaks for the instance that it is
// registered with.
func (c *Connect) byTopic(ctx context.Context, r *provider.Request, signers provider.Signers) (provider.Verified, error) {
	m, err := c.sns.Verify(ctx, r.Header, r.Body, provider.Registered(signers, events.Connect))
	if err != nil {
		return provider.Verified{}, err
	}
	topic, _ := signers.Signer(events.Connect, m.TopicARN)
	instance := instanceOf(topic)
	if instance == "" {
		return provider.Verified{}, fault.New(fault.Unavailable, reasonUnboundTopic)
	}
	v := provider.Verified{Signer: instance, Kind: r.Kind, Headers: kept(r.Header, sns.Headers()...)}
	if m.Type != sns.Notification {
		v.Kind = events.KindTopic
	}
	v.Key = keyOf(instance, v.Kind, r.Body)
	return v, nil
}

// instanceOf returns the instance whose events a topic carries, "" if that is
// not registered, or not one alone.
func instanceOf(topic provider.Signer) string {
	instance := ""
	for _, s := range topic.Secrets {
		if s.Algorithm != tenants.AlgorithmInstance {
			continue
		}
		if instance != "" && instance != string(s.Value) {
			return ""
		}
		instance = string(s.Value)
	}
	return instance
}

// keyOf returns what a body is kept under: its contact, or where that cannot be
// read its instance.
func keyOf(instance string, kind events.Kind, body []byte) string {
	if contact := KeyOf(kind, body); contact != "" && kind != events.KindTopic { // a topic's own words name no contact
		return contact
	}
	return instance + "/" + string(kind)
}

// kept returns the headers that the raw record keeps, and more of them; never a key.
func kept(h http.Header, more ...string) []events.Header {
	return provider.Kept(h, append([]string{"Content-Type"}, more...)...)
}
