package twilio_test

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/provider/providertest"
	"waybill/internal/provider/twilio"
)

// vector is one request with the claim of its source.
type vector struct {
	ID          string            `json:"id"`
	Token       *string           `json:"auth_token"`
	URL         string            `json:"url"`
	RequestURL  string            `json:"request_url"` // where it differs from the URL that was configured
	Body        *string           `json:"body"`
	Params      map[string]any    `json:"params"`
	Headers     map[string]string `json:"headers"`
	ContentType string            `json:"content_type"`
	Signature   string            `json:"signature"`
	Valid       *bool             `json:"valid"`
	Kind        string            `json:"kind"`
	Algorithm   string            `json:"algorithm"` // of shared keys
}

const userinfo = "a base URL with a user is refused at the start: Twilio says that it drops them before it signs"

// otherwise lists the vectors whose claim is not ours, and why.
var otherwise = map[string]string{
	"node-userinfo":            userinfo,
	"node-userinfo-443":        userinfo,
	"node-user-only":           userinfo,
	"node-apostrophe-in-query": "only one SDK accepts a re-escaped query; ours is the URL byte for byte",
	"go-http-port-1234":        "port rules are HTTPS's: an http base URL is signed as configured",
	"node-http-signed-with-80": "port rules are HTTPS's: an http base URL is signed as configured",
	"py-http-signed-with-80":   "port rules are HTTPS's: an http base URL is signed as configured",
}

// unparsed lists genuine vectors whose content is unusable, and why.
var unparsed = map[string]string{
	"sms-inbound-alert-body": "bad_sid", // its AccountSid has 36 characters
}

func TestVectors(t *testing.T) {
	t.Parallel()
	dir := providertest.Vectors(t, "twilio")
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var n providertest.Tally
	exempt := map[string]bool{}
	for _, file := range files {
		var vectors []vector
		providertest.ReadJSON(t, file, &vectors)
		for _, v := range vectors {
			reason, other := otherwise[v.ID]
			switch {
			case v.Valid == nil:
				n.Open++
				continue
			case other:
				exempt[v.ID] = true
				n.Exempt++
			}
			n.Claimed++
			if t.Run(v.ID, func(t *testing.T) { v.check(t, *v.Valid && !other, reason) }) {
				n.AsIs++
			}
		}
	}
	require.Len(t, exempt, len(otherwise), "an exception without its vector")
	n.Log(t, "twilio")
}

// check requires that a vector is accepted or not, and then that its content
// is read.
func (v *vector) check(t *testing.T, accept bool, reason string) {
	sent := v.URL
	if v.RequestURL != "" {
		sent = v.RequestURL
	}
	u, err := url.Parse(sent)
	require.NoError(t, err)
	base := u.Scheme + "://" + u.Host
	if u.User != nil {
		base = u.Scheme + "://" + u.User.String() + "@" + u.Host
	}
	tw, err := twilio.New([]string{base})
	if reason == userinfo {
		require.Error(t, err)
		return
	}
	require.NoError(t, err)

	r := v.request(strings.TrimPrefix(sent, base))
	form := decodeForm(string(r.Body))
	name := ""
	if sids := form["AccountSid"]; len(sids) > 0 {
		name = sids[0]
	}
	// Most of the SDKs' vectors name no account: it is then registered as "".
	who := providertest.Register(name, []byte(*v.Token))
	if v.Headers[settingsHeader] != "" {
		who = having(shared(v.Algorithm))
		require.True(t, !accept || *v.Token == sharedKey)
	}
	got, err := tw.Verify(t.Context(), r, who)
	if !accept {
		require.Equal(t, fault.Unverified, fault.ClassOf(err))
		return
	}
	require.NoError(t, err)
	messages := map[string]events.Kind{"message_status": events.KindMessageStatus, "inbound_message": events.KindMessage}
	calls := map[string]events.Kind{
		"call_status": events.KindCall, "inbound_call": events.KindCallInbound, "recording_status": events.KindRecording,
	}
	if kind, ok := messages[v.Kind]; ok {
		v.checkContent(t, kind, r, got, form)
	} else if kind, ok := calls[v.Kind]; ok {
		v.checkCall(t, kind, r, got, form)
	}
}

func (v *vector) request(uri string) *provider.Request {
	r := &provider.Request{
		Kind: events.KindMessageStatus, Method: http.MethodPost, URI: uri, At: received,
		Header: http.Header{"Content-Type": {v.ContentType}, "X-Twilio-Signature": {v.Signature}},
	}
	if settings := v.Headers[settingsHeader]; settings != "" {
		r.Header.Set(settingsHeader, settings)
	}
	if v.Body != nil {
		r.Body = []byte(*v.Body)
		return r
	}
	values := url.Values{}
	for name, value := range v.Params {
		switch value := value.(type) {
		case string:
			values.Add(name, value)
		case []any:
			for _, one := range value {
				values.Add(name, one.(string))
			}
		}
	}
	r.Body = []byte(values.Encode())
	return r
}

func (v *vector) checkCall(t *testing.T, kind events.Kind, r *provider.Request, got provider.Verified, form map[string][]string) {
	first := func(name string) string {
		if len(form[name]) == 0 {
			return ""
		}
		return form[name][0]
	}
	ours := func(name string) string { return strings.ReplaceAll(first(name), "-", "_") }
	require.Equal(t, first("CallSid"), got.Key)
	raw := rawOf(r)
	raw.Kind, raw.Signer = kind, got.Signer
	p, err := twilio.Parser{}.Parse(raw)
	require.NoError(t, err)
	require.Equal(t, first("CallSid"), p.Call.ProviderID)
	require.Equal(t, ours("CallStatus"), p.Call.Status)
	require.Equal(t, first("From"), p.Call.From)
	require.Equal(t, first("To"), p.Call.To)
	require.Equal(t, first("SipResponseCode"), p.Call.ErrorCode)
	told := map[string]string{"duration": first("CallDuration"), "answered_by": first("AnsweredBy"), "stir_verstat": first("StirVerstat")}
	for _, f := range p.Call.Facts {
		require.Equal(t, told[f.Name], f.Value)
		delete(told, f.Name)
	}
	for name, value := range told {
		require.Empty(t, value, name)
	}
	if n := first("SequenceNumber"); n != "" {
		require.Equal(t, n, strconv.Itoa(*p.Call.Sequence))
		require.NotNil(t, p.Call.OccurredAt)
	}
	require.Equal(t, kind == events.KindRecording, p.Call.Recording != nil)
	if rec := p.Call.Recording; rec != nil {
		require.Equal(t, first("RecordingSid"), rec.ProviderID)
		require.Equal(t, ours("RecordingStatus"), rec.Status)
		require.Equal(t, first("RecordingUrl"), rec.Location)
		require.Equal(t, first("RecordingDuration"), strconv.FormatInt(rec.Duration, 10))
		require.Equal(t, first("RecordingChannels"), strconv.Itoa(rec.Channels))
		require.Empty(t, rec.ErrorCode)
	}
}

func (v *vector) checkContent(t *testing.T, kind events.Kind, r *provider.Request, got provider.Verified, form map[string][]string) {
	first := func(name string) string {
		if len(form[name]) == 0 {
			return ""
		}
		return form[name][0]
	}
	require.Equal(t, first("MessageSid"), got.Key)
	raw := rawOf(r)
	raw.Kind, raw.Signer = kind, got.Signer
	p, err := twilio.Parser{}.Parse(raw)
	if reason, ok := unparsed[v.ID]; ok {
		require.Equal(t, reason, fault.ReasonOf(err))
		return
	}
	require.NoError(t, err)
	require.Equal(t, first("MessageSid"), p.Message.ProviderID)
	require.Equal(t, first("SmsStatus"), p.Message.Status)
	require.Equal(t, first("ErrorCode"), p.Message.ErrorCode)
	require.Equal(t, first("From"), p.Message.From)
	require.Equal(t, first("To"), p.Message.To)
	require.Equal(t, first("Body"), p.Message.Body)
	require.Equal(t, first("MessagingServiceSid"), p.Message.Service)
	require.Equal(t, strings.HasPrefix(first("To"), "whatsapp:"), p.Message.Channel == events.WhatsApp)
	if media := first("MediaUrl0"); media != "" {
		require.Equal(t, media, p.Message.Media[0])
		require.Len(t, p.Message.Media, int(first("NumMedia")[0]-'0'))
	}
}
