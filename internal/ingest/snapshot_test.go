package ingest_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/ingest"
	"waybill/internal/obs"
	"waybill/internal/provider"
	"waybill/internal/seal"
)

// script is a follower whose fetches the test makes itself.
type script struct {
	bus.Follower // the rest of the contract is not used
	fetch        chan func([]events.Record, bool)
	topic        string
}

func (s *script) Follow(ctx context.Context, topic string, fn func([]events.Record, bool)) error {
	s.topic = topic
	s.fetch <- fn
	<-ctx.Done()
	return nil
}

// shot is a snapshot with a scripted follower and a clock that stands still.
type shot struct {
	*ingest.Snapshot
	fetch func(records []events.Record, atEnd bool)
	key   *seal.Key
	log   *lines
	at    time.Time
}

func newShot(t *testing.T) *shot {
	t.Helper()
	key, err := seal.ParseKey(seal.NewKey())
	require.NoError(t, err)
	s := &shot{key: key, log: &lines{}, at: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	s.Snapshot = ingest.NewSnapshot(key, obs.NewLogger(s.log, slog.LevelDebug), func() time.Time { return s.at })
	f := &script{fetch: make(chan func([]events.Record, bool))}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, f) }()
	s.fetch = <-f.fetch
	require.Equal(t, events.TopicConfig, f.topic)
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return s
}

func (s *shot) knows(t *testing.T, want provider.Knowledge) {
	t.Helper()
	_, got := s.Signer(events.Twilio, account)
	require.Equal(t, want, got)
	_, got = s.Signers(events.Twilio)
	require.Equal(t, want, got)
}

func TestKnowledge(t *testing.T) {
	t.Parallel()
	s := newShot(t)
	s.knows(t, provider.Unsure)
	s.fetch(nil, false)
	s.knows(t, provider.Unsure) // not read to its end yet
	s.fetch(nil, true)
	s.knows(t, provider.Unknown)
	s.at = s.at.Add(5 * time.Second)
	s.knows(t, provider.Unknown)
	s.at = s.at.Add(time.Millisecond)
	s.knows(t, provider.Unsure) // cut off
	s.fetch(nil, true)
	s.knows(t, provider.Unknown) // an empty fetch is one, too

	record := signerRecord(t, s.key, events.Twilio, account, token)
	s.fetch([]events.Record{record}, false)
	s.knows(t, provider.Known)
	s.at = s.at.Add(time.Hour)
	s.knows(t, provider.Known) // who is known stays known
	_, k := s.Signer(events.Stripe, account)
	require.Equal(t, provider.Unsure, k, "a name belongs to one provider")

	s.fetch([]events.Record{{Topic: events.TopicConfig, Key: record.Key}}, true)
	s.knows(t, provider.Unknown) // removed by the tombstone
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	s := newShot(t)
	s.fetch([]events.Record{
		signerRecord(t, s.key, events.Twilio, account, "old", "new"),
		signerRecord(t, s.key, events.Stripe, "b", "second"),
		signerRecord(t, s.key, events.Stripe, "a", "first"),
	}, true)
	one, k := s.Signer(events.Twilio, account)
	require.Equal(t, provider.Known, k)
	require.Equal(t, provider.Signer{Name: account, Secrets: []provider.Secret{
		{ID: "token-" + account + "-a", Value: []byte("old")}, {ID: "token-" + account + "-b", Value: []byte("new")},
	}}, one)
	all, k := s.Signers(events.Stripe)
	require.Equal(t, provider.Known, k)
	require.Len(t, all, 2)
	require.Equal(t, "a", all[0].Name)

	// A later record replaces the whole signer.
	s.fetch([]events.Record{signerRecord(t, s.key, events.Twilio, account, "new")}, true)
	one, _ = s.Signer(events.Twilio, account)
	require.Len(t, one.Secrets, 1)
}

func TestUnusableSecrets(t *testing.T) {
	t.Parallel()
	other, err := seal.ParseKey(seal.NewKey())
	require.NoError(t, err)
	const alarm = "a signer's secret cannot be used: its requests may be answered 503"
	for _, c := range []struct {
		name   string
		record func(t *testing.T, key *seal.Key) events.Record
	}{
		{"another key", func(t *testing.T, _ *seal.Key) events.Record {
			return signerRecord(t, other, events.Twilio, account, token, token)
		}},
		{"empty", func(t *testing.T, key *seal.Key) events.Record {
			return signerRecord(t, key, events.Twilio, account, "")
		}},
		{"none", func(t *testing.T, key *seal.Key) events.Record {
			return signerRecord(t, key, events.Twilio, account)
		}},
		{"undecodable", func(t *testing.T, key *seal.Key) events.Record {
			r := signerRecord(t, key, events.Twilio, account, token)
			r.Value = []byte("not JSON")
			return r
		}},
		{"under another's key", func(t *testing.T, key *seal.Key) events.Record {
			r := signerRecord(t, key, events.Twilio, emptyAccount, token)
			r.Key = signerRecord(t, key, events.Twilio, account).Key
			return r
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newShot(t)
			bad := c.record(t, s.key)
			s.fetch([]events.Record{bad, signerRecord(t, s.key, events.Twilio, "AC-other", token)}, true)
			one, k := s.Signer(events.Twilio, account)
			require.Equal(t, provider.Known, k)
			require.NotEmpty(t, one.Secrets)
			for _, secret := range one.Secrets {
				require.Empty(t, secret.Value)
			}
			require.Equal(t, 1, s.Stats().Unusable)
			require.Equal(t, 2, s.Stats().Signers)
			require.Len(t, s.log.with(t, alarm), 1)

			s.fetch([]events.Record{bad}, true)
			require.Len(t, s.log.with(t, alarm), 1, "said once")
			s.fetch([]events.Record{signerRecord(t, s.key, events.Twilio, account, token)}, true)
			require.Zero(t, s.Stats().Unusable, "mended")
			s.fetch([]events.Record{bad}, true)
			require.Len(t, s.log.with(t, alarm), 2, "and said again when it breaks again")
			require.NotContains(t, s.log.text(), token)
		})
	}
}

// One token that cannot be opened does not take the others away.
func TestRotationWithOneUnusableToken(t *testing.T) {
	t.Parallel()
	s := newShot(t)
	s.fetch([]events.Record{signerRecord(t, s.key, events.Twilio, account, "", token)}, true)
	one, _ := s.Signer(events.Twilio, account)
	require.Len(t, one.Secrets, 2)
	require.Equal(t, token, string(one.Secrets[1].Value))
	require.Equal(t, 1, s.Stats().Unusable)
}

// What is not about signers, or is newer than this program, is passed over.
func TestOtherRecords(t *testing.T) {
	t.Parallel()
	s := newShot(t)
	at := s.at
	sender := events.ConfigSender{ID: "1", Org: "2", Kind: "number", Value: "+15550100001"}
	r, err := events.ConfigRecord(sender.Key(), sender, at)
	require.NoError(t, err)
	s.fetch([]events.Record{
		r,
		{Key: []byte("future/thing"), Value: []byte("?")},
		{Key: []byte("signer/"), Value: []byte("{}")},
		{Key: []byte("signer/sns/ses/arn:aws:sns:eu-west-1:1:a/b"), Value: []byte(`{"provider":"sns","purpose":"ses","name":"arn:aws:sns:eu-west-1:1:a/b"}`)},
	}, true)
	require.Equal(t, 1, s.Stats().Signers)
	require.Zero(t, s.Stats().Unusable, "a topic has no secret")
	_, k := s.Signer(events.SES, "arn:aws:sns:eu-west-1:1:a/b")
	require.Equal(t, provider.Known, k)
	require.NotContains(t, s.log.text(), "+1555")
}

func TestLookUpsDoNotAllocate(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts every goroutine's
	s := newShot(t)
	s.fetch([]events.Record{signerRecord(t, s.key, events.Twilio, account, token)}, true)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		s.Signer(events.Twilio, account)
		s.Signer(events.Twilio, "nobody")
		s.Signers(events.Twilio)
	}))
}
