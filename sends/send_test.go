package sends_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"waybill/internal/events"
	"waybill/internal/testkit"
	"waybill/sends"
)

const (
	org      = "0b8f1c9e-6d52-4a57-9a53-0f6f3c1b2a01"
	id       = "7d4f3a52-90d1-4f0e-8a8c-2f1f5b1c9d10"
	campaign = "6f0c2f1e-0d4e-4a8e-9a53-0f6f3c1b2a01"
)

var at = time.Date(2026, 11, 23, 15, 4, 5, 678_000_000, time.UTC)

func intended() sends.Send {
	return sends.Send{Org: org, Channel: sends.SMS, Provider: sends.Twilio, MessageID: id, To: "+12025550177", CampaignID: campaign}
}

// Names stand in this package as texts, for its readers; here they meet their source.
func TestNamesAreThoseThatWaybillUses(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{events.TopicSends, events.TypeSend, events.Intended}, []string{sends.Topic, sends.Type, sends.StatusIntended})
	require.Equal(t, []events.Channel{events.SMS, events.WhatsApp, events.Email, events.Voice}, []events.Channel{sends.SMS, sends.WhatsApp, sends.Email, sends.Voice})
	require.Equal(t, []events.Provider{events.Twilio, events.SES, events.Connect}, []events.Provider{sends.Twilio, sends.SES, sends.Connect})
	names := func(of reflect.Type) (out []string) {
		for f := range of.Fields() {
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "-" {
				out = append(out, name)
			}
		}
		return out
	}
	require.Equal(t, names(reflect.TypeFor[events.Send]()), names(reflect.TypeFor[sends.Send]()))
}

// What a program may record is what Waybill takes: no more, no less, whatever
// the fields hold; and Waybill reads of it what was meant.
func TestWhatIsValidIsWhatWaybillTakes(t *testing.T) {
	t.Parallel()
	text := rapid.OneOf(rapid.Just(""), rapid.SampledFrom([]string{org, strings.ToUpper(id), "sms", "voice", "fax", "twilio", "connect", "stripe", "\x00", strings.Repeat("x", 321), "\xff"}), rapid.String())
	contract := testkit.AsyncAPI(t)
	valid := 0
	rapid.Check(t, func(t *rapid.T) {
		s := intended()
		if rapid.Bool().Draw(t, "wild") {
			s = sends.Send{
				Org: text.Draw(t, "org"), Channel: text.Draw(t, "channel"), Provider: text.Draw(t, "provider"), MessageID: text.Draw(t, "message"),
			}
		}
		for name, field := range map[string]*string{
			"account": &s.Account, "provider id": &s.ProviderID, "to": &s.To, "from": &s.From, "status": &s.Status, "code": &s.ErrorCode,
		} {
			if rapid.Bool().Draw(t, name+" set") {
				*field = text.Draw(t, name)
			}
		}
		if rapid.Bool().Draw(t, "sent") {
			s.SentAt = time.Unix(rapid.Int64Range(-1e12, 1e12).Draw(t, "at"), 0).UTC()
		}
		fields := map[string]any{}
		for name, v := range map[string]string{
			"org_id": s.Org, "channel": s.Channel, "provider": s.Provider, "account": s.Account, "provider_id": s.ProviderID, "message_id": s.MessageID,
			"to": s.To, "from": s.From, "campaign_id": s.CampaignID, "status": s.Status, "error_code": s.ErrorCode,
		} {
			fields[name] = v
		}
		if !s.SentAt.IsZero() {
			fields["sent_at"] = s.SentAt.Format(time.RFC3339Nano)
		}
		body, err := json.Marshal(fields)
		require.NoError(t, err)
		want, wrong := events.ParseSend(body)

		pub := &shelf{}
		err = sends.New(pub).Record(t.Context(), s)
		require.Equal(t, wrong == nil, err == nil, "%v, %v", wrong, err)
		require.Equal(t, wrong == nil, s.Validate() == nil)
		if wrong != nil {
			require.ErrorIs(t, err, sends.ErrInvalid)
			return
		}
		valid++
		rec := pub.records[0].waybills()
		require.NoError(t, contract.Exact(&rec))
		got, err := events.DecodeSend(&rec)
		require.NoError(t, err)
		require.Equal(t, want.Key(), string(rec.Key))
		got.Receipt, got.ReceivedAt = "", time.Time{}
		require.Equal(t, want, got)
	})
	require.Positive(t, valid)
}

func TestAnErrorNamesEveryFieldAndQuotesNone(t *testing.T) {
	t.Parallel()
	const leak = "+15550100002"
	s := sends.Send{Org: leak, Channel: leak, Provider: leak, CampaignID: leak, SentAt: at}
	err := s.Validate()
	require.ErrorIs(t, err, sends.ErrInvalid)
	for _, field := range []string{"org_id", "channel", "provider", "campaign_id", "message_id"} {
		require.ErrorContains(t, err, field)
	}
	s = intended()
	s.SentAt = time.Date(20_000, 1, 1, 0, 0, 0, 0, time.UTC)
	require.ErrorContains(t, s.Validate(), "sent_at")
	require.NotContains(t, err.Error(), leak)
	require.NotContains(t, err.Error(), "\n")
}

func TestTheLifeOfASend(t *testing.T) {
	t.Parallel()
	s := intended()
	accepted, failed := s.Accepted("SM1", at), s.Failed("21610", at)
	pub := &shelf{}
	require.NoError(t, sends.New(pub).Record(t.Context(), s, accepted, failed))
	var said []string
	var ids []events.EventID
	for i := range pub.records {
		rec := pub.records[i].waybills()
		got, err := events.DecodeSend(&rec)
		require.NoError(t, err)
		require.Equal(t, id, got.MessageID)
		require.Equal(t, campaign, got.CampaignID)
		said = append(said, got.Status+" "+got.ProviderID+" "+got.ErrorCode)
		ids = append(ids, got.ID())
	}
	require.Equal(t, []string{"intended  ", "accepted SM1 ", "failed  21610"}, said)
	slices.Sort(ids)
	require.Len(t, slices.Compact(ids), 3)
	require.Empty(t, s.Status, "the intended one is as it was")
}
