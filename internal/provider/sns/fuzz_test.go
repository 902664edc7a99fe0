package sns_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"waybill/internal/fault"
	"waybill/internal/provider/providertest"
	"waybill/internal/provider/sns"
)

// bodies returns the vectors' messages, none where they are absent.
func bodies(f *testing.F) (all [][]byte) {
	f.Helper()
	dir, ok := providertest.TryVectors("sns")
	if !ok {
		return nil
	}
	for _, pattern := range []string{"messages/*.json", "own/*.json", "../connect/sns/*.json"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(f, err)
		for _, file := range files {
			b, err := os.ReadFile(file)
			require.NoError(f, err)
			all = append(all, b)
		}
	}
	return all
}

// FuzzDecode holds the envelope's reader to encoding/json: what is accepted is
// sound JSON and says the same there, whichever of its keys is asked for.
func FuzzDecode(f *testing.F) {
	f.Add(notification().body(f))
	f.Add([]byte(`{"Type":"Notification","MessageId":"\u0031","TopicArn":"` + topicARN + `","Message":"\ud83d\ude00\ud800\ud83dx\"\\\/\b\f\n\r\t","Timestamp":"2026-11-25T11:59:30Z","x":[{"a":[1e9,"}"]}]}`))
	for _, b := range bodies(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := sns.Decode(body)
		if err != nil {
			refused(t, err, fault.Invalid, "malformed_envelope")
			return
		}
		require.True(t, json.Valid(body))
		if !utf8.Valid(body) {
			return // kept as it is here, replaced there
		}
		var folded struct{ Type, MessageId, TopicArn, Message, Subject, Timestamp, Token string } //nolint:revive // SNS's names
		require.NoError(t, json.Unmarshal(body, &folded))
		require.Equal(t, folded.Type, string(m.Type))
		require.Equal(t, folded.MessageId, m.ID)
		require.Equal(t, folded.TopicArn, m.TopicARN)
		require.Equal(t, folded.Message, m.Body)
		at, err := time.Parse(time.RFC3339, folded.Timestamp)
		require.NoError(t, err)
		require.True(t, at.Equal(m.At))
		if m.Type == sns.Notification {
			require.Equal(t, folded.Subject, m.Subject)
		} else {
			require.Equal(t, folded.Token, m.Token)
		}
	})
}

// FuzzVerify changes genuine envelopes. Nothing can be accepted but what says
// the same as one of them: the fuzzer does not hold the key.
func FuzzVerify(f *testing.F) {
	type said struct {
		kind                                  sns.Type
		topic, id, subject, body, token, time string
		hasSubject                            bool
	}
	of := func(m sns.Message) said {
		return said{m.Type, m.TopicARN, m.ID, m.Subject, m.Body, m.Token, m.At.UTC().Format(time.RFC3339Nano), m.HasSubject}
	}
	genuine := map[said]bool{}
	certs := map[string][]byte{certURL: leaf(f, nil)}
	add := func(body []byte) {
		f.Add(body)
		if m, err := sns.Decode(body); err == nil {
			genuine[of(m)] = true
		}
	}
	for _, version := range []string{"1", "2"} {
		for _, envelope := range []fields{notification(), confirmation("SubscriptionConfirmation"), confirmation("UnsubscribeConfirmation")} {
			add(envelope.with("SignatureVersion", version).signed(f, leafKey()).body(f))
		}
	}
	if dir, ok := providertest.TryVectors("sns"); ok {
		signer, err := os.ReadFile(filepath.Join(dir, "own", "signer.pem"))
		require.NoError(f, err)
		certs["https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-00000000000000000000000000000000.pem"] = signer
		for _, b := range bodies(f) {
			var v fields
			require.NoError(f, json.Unmarshal(b, &v))
			f.Add(b)
			if m, err := sns.Decode(b); err == nil {
				genuine[of(m)] = true
			}
		}
	}
	v := sns.New(sns.Options{
		Now: func() time.Time { return now },
		Fetch: func(_ context.Context, url string) ([]byte, error) {
			if text, ok := certs[url]; ok {
				return text, nil
			}
			return nil, os.ErrNotExist
		},
	})
	f.Fuzz(func(t *testing.T, body []byte) {
		kind := "Notification"
		if m, err := sns.Decode(body); err == nil {
			kind = string(m.Type)
		}
		m, err := v.Verify(t.Context(), header(kind), body, func(string) sns.Standing { return sns.Registered })
		if err != nil {
			require.Contains(t, sns.Reasons(), err.Error())
			require.Zero(t, m)
			return
		}
		require.True(t, genuine[of(m)], "a changed envelope was accepted")
	})
}
