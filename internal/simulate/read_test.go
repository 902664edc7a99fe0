package simulate_test

import (
	"bytes"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/provider"
	"waybill/internal/provider/connect"
	"waybill/internal/provider/ses"
	"waybill/internal/provider/sns"
	"waybill/internal/provider/stripe"
	"waybill/internal/provider/twilio"
	"waybill/internal/simulate"
)

// quick is a certificate of a short key, which signs several times as fast: for
// what no verifier sees.
var quick = sync.OnceValues(simulate.ShortCertificate)

// kinds are what the paths are for.
var kinds = map[string]events.Kind{
	"/api/webhooks/sms": events.KindMessage, "/api/webhooks/sms/status": events.KindMessageStatus,
	"/api/webhooks/voice": events.KindCallInbound, "/api/webhooks/voice/status": events.KindCall,
	"/api/webhooks/voice/recording": events.KindRecording, "/api/webhooks/stripe": events.KindStripe,
	"/api/webhooks/email": events.KindEmail, "/api/webhooks/connect": events.KindContact, "/api/webhooks/connect/records": events.KindContactRecord,
}

// parse reads a letter as Waybill's own parsers do: what the simulator says that
// it tells must be what they read.
func parse(t *testing.T, l *simulate.Letter) []provider.Parsed {
	t.Helper()
	if l.Record != nil {
		s, err := events.DecodeSend(l.Record)
		require.NoError(t, err)
		return []provider.Parsed{sent(&s)}
	}
	r := l.Request
	path, _, _ := strings.Cut(r.Path, "?")
	raw := events.Raw{
		Kind: kinds[path], Method: r.Method, URI: r.Path, Body: r.Body, ReceivedAt: time.Now(),
		Signer: strings.Split(string(l.IDs[0]), "/"+string(kinds[path])+"/")[0],
	}
	_, raw.Signer, _ = strings.Cut(raw.Signer, "/") // whose id it is; that the signature is right is another test's to say
	for name := range r.Header {
		raw.Headers = append(raw.Headers, events.Header{Key: strings.ToLower(name), Value: []byte(r.Header.Get(name))})
	}
	switch raw.Kind {
	case events.KindStripe:
		return one(stripe.Parser{}.Parse(&raw))(t)
	case events.KindEmail:
		return one(ses.Parser{}.Parse(&raw))(t)
	case events.KindContact:
		return one(connect.Parser{}.Parse(&raw))(t)
	case events.KindContactRecord:
		var all []provider.Parsed
		_, err := connect.ReadDelivery(bytes.NewReader(r.Body), r.Header.Get("Content-Encoding"), r.Header.Get("X-Amz-Firehose-Request-Id"),
			func(d connect.Document) error {
				document := raw
				document.Body = d.Body
				all = append(all, one(connect.Parser{}.Parse(&document))(t)...)
				return nil
			})
		require.NoError(t, err)
		return all
	default:
		if raw.Kind == events.KindCall && bytes.Contains(raw.Body, []byte("DialCallStatus")) {
			raw.Kind = events.KindDial
		}
		raw.Signer = accountOf(l.IDs[0])
		return one(twilio.Parser{}.Parse(&raw))(t)
	}
}

// one is a request that tells of one event.
func one(p provider.Parsed, err error) func(t *testing.T) []provider.Parsed {
	return func(t *testing.T) []provider.Parsed {
		t.Helper()
		require.NoError(t, err)
		return []provider.Parsed{p}
	}
}

// accountOf returns the account in a Twilio event's id.
func accountOf(id events.EventID) string { return strings.Split(string(id), "/")[1] }

// sent is what a send record says.
func sent(s *events.Send) provider.Parsed {
	p := provider.Parsed{EventID: s.ID()}
	if s.Channel == events.Voice {
		p.Call = &events.Call{
			Kind: events.KindSend, Provider: s.Provider, ProviderID: s.ProviderID, MessageID: s.MessageID, Account: s.Account,
			Direction: events.Outbound, From: s.From, To: s.To, CampaignID: s.CampaignID, Status: s.Status, ErrorCode: s.ErrorCode,
			SentAt: s.SentAt, ReceivedAt: s.ReceivedAt,
		}
		return p
	}
	p.Message = &events.Message{
		Kind: events.KindSend, Provider: s.Provider, ProviderID: s.ProviderID, MessageID: s.MessageID, Account: s.Account, Channel: s.Channel,
		Direction: events.Outbound, From: s.From, To: s.To, CampaignID: s.CampaignID, Status: s.Status, ErrorCode: s.ErrorCode,
		SentAt: s.SentAt, ReceivedAt: s.ReceivedAt,
	}
	return p
}

func rehearse(t *testing.T, seed uint64, stories int, w simulate.Weather) *simulate.Rehearsal {
	t.Helper()
	c, err := quick()
	require.NoError(t, err)
	return simulate.Rehearse(seed, stories, w, c)
}

// Every request is read, by Waybill's parsers, as the events that the model has of it.
func TestEveryRequestIsReadAsItWasTold(t *testing.T) {
	t.Parallel()
	r := rehearse(t, 7, 400, simulate.Weather{Reorder: 0.5, Duplicate: 0.2, CrossTenant: 0.3})
	read := map[events.Kind]int{}
	for _, l := range r.Letters() {
		parsed := parse(t, &l)
		require.Len(t, parsed, len(l.IDs))
		for i, p := range parsed {
			require.Equal(t, l.IDs[i], p.EventID)
			if l.Request != nil {
				path, _, _ := strings.Cut(l.Request.Path, "?")
				read[kinds[path]]++
			}
		}
	}
	for path, kind := range kinds {
		require.Positive(t, read[kind], path)
	}
}

// Every delivery of a topic is signed as SNS signs, in both versions, and no
// forged one is.
func TestTopicsSignAsSNSDoes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c, err := simulate.KeepCertificate(dir)
	require.NoError(t, err)
	again, err := simulate.KeepCertificate(dir)
	require.NoError(t, err)
	require.Equal(t, c.File, again.File, "it is made once")
	r := simulate.Rehearse(7, 300, simulate.Weather{Forge: 0.5}, again)
	ours := map[string]bool{}
	for i := range r.Cast().Tenants {
		ours[r.Cast().Tenants[i].Mail.ARN], ours[r.Cast().Tenants[i].Centre.ARN] = true, true
	}
	pinned, err := sns.ReadPinned(os.DirFS(dir))
	require.NoError(t, err)
	v := sns.New(sns.Options{Pinned: pinned, MaxAge: time.Hour})
	genuine, forged := map[string]int{}, 0
	for _, l := range r.Letters() {
		if l.Request == nil || l.Request.Header.Get("X-Amz-Sns-Message-Type") == "" {
			continue
		}
		_, err := v.Verify(t.Context(), l.Request.Header, l.Request.Body, func(arn string) (registered, certain bool) {
			return ours[arn], true
		})
		if len(l.IDs) == 0 {
			require.Error(t, err)
			forged++
			continue
		}
		require.NoError(t, err)
		for _, version := range []string{"1", "2"} {
			if bytes.Contains(l.Request.Body, []byte(`"SignatureVersion":"`+version+`"`)) {
				genuine[version]++
			}
		}
	}
	require.Positive(t, genuine["1"])
	require.Positive(t, genuine["2"])
	require.Positive(t, forged)
}

// The keys of an instance are the ones that Waybill is told, and no forged one is.
func TestKeysOfAnInstance(t *testing.T) {
	t.Parallel()
	r := rehearse(t, 7, 300, simulate.Weather{Forge: 0.5})
	var signers []provider.Signer
	for i := range r.Cast().Tenants {
		c := &r.Cast().Tenants[i].Centre
		signers = append(signers, provider.Signer{Name: c.Instance, Secrets: []provider.Secret{
			{Algorithm: "api_key", Value: []byte(c.APIKey)}, {Algorithm: "firehose_key", Value: []byte(c.FirehoseKey)},
		}})
	}
	genuine, forged := map[string]int{}, 0
	for _, l := range r.Letters() {
		for _, header := range []string{connect.HeaderAPIKey, connect.HeaderFirehoseKey} {
			if l.Request == nil || kindOf(l.Request) != header {
				continue
			}
			holder, err := holder(l.Request.Header, header, signers)
			if len(l.IDs) == 0 {
				require.Error(t, err)
				forged++
				continue
			}
			require.NoError(t, err)
			require.Contains(t, string(l.IDs[0]), holder)
			genuine[header]++
		}
	}
	require.Len(t, genuine, 2)
	require.Positive(t, forged)
}

// kindOf returns the header whose key a request must present.
func kindOf(r *simulate.Request) string {
	switch {
	case r.Path == "/api/webhooks/connect/records":
		return connect.HeaderFirehoseKey
	case r.Path == "/api/webhooks/connect" && r.Header.Get("X-Amz-Sns-Message-Type") == "":
		return connect.HeaderAPIKey
	}
	return ""
}

func holder(h http.Header, header string, signers []provider.Signer) (string, error) {
	name, _, err := connect.Holder(h, header, signers, provider.Known)
	return name, err
}
