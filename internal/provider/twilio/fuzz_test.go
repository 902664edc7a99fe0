package twilio_test

import (
	"crypto/sha1"
	"crypto/sha256"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/provider"
	"waybill/internal/provider/providertest"
	"waybill/internal/provider/twilio"
	"waybill/internal/tenants"
	"waybill/internal/voice"
)

// FuzzVerify changes genuine requests. Nothing can be accepted but what says
// the same as one of them: the fuzzer does not hold the token.
func FuzzVerify(f *testing.F) {
	tw := newTwilio(f)
	object := `{"AccountSid":"` + account + `","MessageSid":"` + messageID + `"}`
	hashed := withHash(statusURI, object)
	genuine := map[string]bool{} // signature and string to sign
	add := func(json bool, uri, body string) {
		fields := decodeForm(body)
		if json {
			fields = nil
		}
		signature := sign(token, baseURL+uri, fields)
		genuine[signature+stringToSign(baseURL+uri, fields)] = true
		f.Add(json, uri, signature, []byte(body))
	}
	add(false, statusURI, statusForm("delivered"))
	add(false, statusURI+"?wb="+echo, statusForm("failed", "ErrorCode", "30003"))
	add(false, inboundURI, "AccountSid="+account+"&Body=a+b%2B%zz;&Body=c&Body=c&Empty&=x")
	add(true, hashed, object)
	for _, body := range vectorBodies(f) {
		add(false, statusURI, body)
	}
	// Twilio may spell its HTTPS port in two ways; both are the same URL.
	spelled := []string{baseURL, baseURL + ":443"}

	f.Fuzz(func(t *testing.T, json bool, uri, signature string, body []byte) {
		r := &provider.Request{
			Kind: events.KindMessageStatus, Method: http.MethodPost, URI: uri, Body: body, At: received,
			Header: http.Header{"Content-Type": {formType}, "X-Twilio-Signature": {signature}},
		}
		fields := decodeForm(string(body))
		if json {
			r.Header.Set("Content-Type", "application/json")
			fields = nil
		}
		v, err := tw.Verify(t.Context(), r, registered())
		if err != nil {
			require.Contains(t, tw.Reasons(), err.Error())
			return
		}
		require.Equal(t, account, v.Signer)
		require.NotEmpty(t, v.Key)
		said := false
		for _, base := range spelled {
			said = said || genuine[signature+strings.Replace(stringToSign(base+uri, fields), base, baseURL, 1)]
		}
		require.True(t, said, "a changed request was accepted")
		if json {
			require.Equal(t, object, string(body))
		}
	})
}

// FuzzParse feeds the parser what a holder of the token could sign.
func FuzzParse(f *testing.F) {
	calls := []string{progressForm(), dialForm(), recordingForm(), progressForm("CallStatus", "-", "AnsweredBy", "human")}
	for _, kind := range []events.Kind{
		events.KindMessageStatus, events.KindMessage, events.KindCall, events.KindCallInbound, events.KindDial, events.KindRecording, "other",
	} {
		for _, body := range calls {
			f.Add(string(kind), false, callStatusURI+"?wb="+echo, []byte(body))
		}
		f.Add(string(kind), false, statusURI+"?wb="+echo, []byte(statusForm("sent", "ErrorCode", "30003")))
		f.Add(string(kind), true, statusURI, []byte(`{"AccountSid":"`+account+`","MessageSid":"`+messageID+`","N":1e999,"X":null}`))
		for _, body := range vectorBodies(f) {
			f.Add(string(kind), false, statusURI, []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, kind string, json bool, uri string, body []byte) {
		raw := &events.Raw{Kind: events.Kind(kind), Signer: account, Method: http.MethodPost, URI: uri, Body: body, ReceivedAt: received}
		if json {
			raw.Headers = []events.Header{{Key: "content-type", Value: []byte("application/json")}}
		}
		p, err := twilio.Parser{}.Parse(raw)
		providertest.Sound(t, p, err)
		require.LessOrEqual(t, len(p.EventID), 200)
		for _, k := range p.Evidence.Keys() {
			require.LessOrEqual(t, len(k.Value), 700, "keys are indexed")
			require.NotContains(t, k.Value, "\x00")
		}
		if p.Message != nil {
			_, err := p.Message.Record()
			require.NoError(t, err)
		}
		if p.Call != nil {
			_, ok := voice.Fold(voice.Call{}, false, p.Call)
			require.NotEqual(t, events.Dead, ok.Outcome, "what the parser takes, the rules take")
			_, err := p.Call.Record()
			require.NoError(t, err)
		}
		again, _ := twilio.Parser{}.Parse(raw)
		require.Equal(t, p, again)
	})
}

// vectorBodies returns the bodies of the vectors, none where they are absent.
func vectorBodies(f *testing.F) (bodies []string) {
	dir, ok := providertest.TryVectors("twilio")
	if !ok {
		return nil
	}
	var vectors []vector
	providertest.ReadJSON(f, filepath.Join(dir, "callbacks.json"), &vectors)
	for _, v := range vectors {
		if v.Body != nil {
			bodies = append(bodies, *v.Body)
		}
	}
	return bodies
}

// FuzzSettings changes the header that names a shared key. No spelling of it makes
// a request genuine that another secret, or another algorithm, signed.
func FuzzSettings(f *testing.F) {
	for _, settings := range []string{
		sha256Settings, "key=" + sharedID, "key=" + sharedID + ", algorithm=HMAC_SHA1", "key=" + sharedID + ",algorithm=NONE", "",
		"key=,algorithm=HMAC_SHA256", sha256Settings + ",key=x", ",", "=", "key=" + sharedID + ",x=y",
	} {
		f.Add(settings)
	}
	tw := newTwilio(f)
	who := having(tokenOnRecord, shared(tenants.AlgorithmHMACSHA256))
	f.Fuzz(func(t *testing.T, settings string) {
		for _, r := range []*provider.Request{
			named("", sha256.New, token), named("", sha1.New, sharedKey), named("", sha1.New, token), named("", sha256.New, sharedKey),
		} {
			r.Header[settingsHeader] = []string{settings}
			v, err := tw.Verify(t.Context(), r, who)
			if err != nil {
				require.Contains(t, tw.Reasons(), err.Error())
				continue
			}
			require.Equal(t, "id-of-the-key", v.Token)
			require.Equal(t, named("", sha256.New, sharedKey).Header.Get("X-Twilio-Signature"), r.Header.Get("X-Twilio-Signature"))
			require.Contains(t, settings, "key="+sharedID)
		}
	})
}
