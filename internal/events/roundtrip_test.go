package events_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"waybill/internal/events"
	"waybill/internal/fault"
)

func TestRoundTrips(t *testing.T) {
	t.Parallel()
	t.Run("raw", func(t *testing.T) {
		t.Parallel()
		want := rawEvent()
		r := want.Record()
		got, err := events.DecodeRaw(&r)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want, got))
		require.Equal(t, "c2lnbmF0dXJl", got.HTTPHeader("x-twilio-signature"))
		require.Empty(t, got.HTTPHeader("X-Twilio-Signature"), "names are kept in lower case")
	})
	t.Run("message", func(t *testing.T) {
		t.Parallel()
		want := messageEvent()
		r, err := want.Record()
		require.NoError(t, err)
		got, err := events.DecodeMessage(&r)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want, got))
	})
	t.Run("billing", func(t *testing.T) {
		t.Parallel()
		for kind, want := range map[string]events.Billing{events.ObjectSubscription: billingEvent(), events.ObjectInvoice: invoiceEvent(), "": {
			EventID: "e", Receipt: "r", Packed: []byte{1},
		}} {
			r, err := want.Record()
			require.NoError(t, err)
			got, err := events.DecodeBilling(&r)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(want, got))
			about, said := got.About()
			require.Equal(t, kind, about)
			require.Equal(t, kind == "", said == nil)
		}
	})
	t.Run("send", func(t *testing.T) {
		t.Parallel()
		want := sendRecord()
		r, err := want.Record()
		require.NoError(t, err)
		got, err := events.DecodeSend(&r)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want, got))
	})
	t.Run("message status", func(t *testing.T) {
		t.Parallel()
		want := messageStatus()
		r, err := want.Record()
		require.NoError(t, err)
		got, err := events.DecodeStatus(&r)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want, got))
		again, err := want.Record()
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(r, again), "published again, it is the same record")
	})
	t.Run("campaign status", func(t *testing.T) {
		t.Parallel()
		want := campaignStatus()
		r, err := want.Record()
		require.NoError(t, err)
		got, err := events.DecodeCampaignStatus(&r)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want, got))
	})
}

// What a provider sent is kept byte for byte, whatever the bytes.
func TestRawKeepsEveryByte(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := events.Raw{
			Receipt: recpt, Provider: events.Stripe, Kind: events.KindStripe,
			Signer: rapid.StringMatching(`[A-Za-z0-9:/_-]{0,60}`).Draw(t, "signer"), Key: rapid.String().Draw(t, "key"),
			Method: "POST", URI: rapid.String().Draw(t, "uri"),
			Body:       rapid.SliceOf(rapid.Byte()).Draw(t, "body"),
			Headers:    headers().Draw(t, "headers"),
			ReceivedAt: events.Millis(time.UnixMicro(rapid.Int64Range(0, 1<<52).Draw(t, "at"))),
		}
		rec := want.Record()
		packed, err := events.Unpack(events.Pack(&rec))
		require.NoError(t, err)
		got, err := events.DecodeRaw(&packed)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want, got, cmpopts.EquateEmpty()))
	})
}

func TestPackUnpack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := events.Record{
			Topic: rapid.String().Draw(t, "topic"), Key: rapid.SliceOf(rapid.Byte()).Draw(t, "key"),
			Value: rapid.SliceOf(rapid.Byte()).Draw(t, "value"), Headers: headers().Draw(t, "headers"),
		}
		packed := events.Pack(&want)
		got, err := events.Unpack(packed)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want, got, cmpopts.EquateEmpty()))
		for n := range packed {
			_, err := events.Unpack(packed[:n])
			require.Error(t, err, "cut to %d of %d bytes", n, len(packed))
		}
		_, err = events.Unpack(append(packed, 0))
		require.Error(t, err, "one byte more")
	})
}

func headers() *rapid.Generator[[]events.Header] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) events.Header {
		return events.Header{Key: rapid.StringMatching(`[a-z-]{0,12}`).Draw(t, "name"), Value: rapid.SliceOf(rapid.Byte()).Draw(t, "value")}
	}), 0, 5)
}

func FuzzUnpack(f *testing.F) {
	raw := rawEvent()
	r := raw.Record()
	f.Add(events.Pack(&r))
	f.Add([]byte{})
	f.Add([]byte{1, 0, 0, 0, 0})
	f.Add([]byte{1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := events.Unpack(b)
		if err != nil {
			return
		}
		again, err := events.Unpack(events.Pack(&r))
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(r, again))
	})
}

// Every decoder refuses what another room wrote, with class Invalid, so that
// it becomes a dead letter and not a stop.
func TestDecodersRefuse(t *testing.T) {
	t.Parallel()
	decoders := map[string]func(*events.Record) error{
		events.TypeRaw:            func(r *events.Record) error { _, err := events.DecodeRaw(r); return err },
		events.TypeMessage:        func(r *events.Record) error { _, err := events.DecodeMessage(r); return err },
		events.TypeCall:           func(r *events.Record) error { _, err := events.DecodeCall(r); return err },
		events.TypeBilling:        func(r *events.Record) error { _, err := events.DecodeBilling(r); return err },
		events.TypeMessageStatus:  func(r *events.Record) error { _, err := events.DecodeStatus(r); return err },
		events.TypeCallStatus:     func(r *events.Record) error { _, err := events.DecodeStatus(r); return err },
		events.TypeCampaignStatus: func(r *events.Record) error { _, err := events.DecodeCampaignStatus(r); return err },
	}
	const leak = "+15550100002"
	for typ, decode := range decoders {
		header := events.Header{Key: "ce_type", Value: []byte(typ)}
		for name, r := range map[string]events.Record{
			"nothing":        {},
			"another type":   {Headers: []events.Header{{Key: "ce_type", Value: []byte("other")}}, Value: []byte("{}")},
			"no JSON":        {Headers: []events.Header{header}, Value: []byte(leak)},
			"a wrong type":   {Headers: []events.Header{header}, Value: []byte(`{"received_at":"` + leak + `","at":"` + leak + `"}`)},
			"a tombstone":    {Headers: []events.Header{header}},
			"an odd version": {Headers: []events.Header{{Key: "ce_type", Value: []byte(strings.Replace(typ, ".v1", ".v2", 1))}}, Value: []byte("{}")},
		} {
			err := decode(&r)
			require.Equal(t, fault.Invalid, fault.ClassOf(err), "%s: %s: %v", typ, name, err)
			require.NotContains(t, err.Error(), leak)
		}
	}
	for _, typ := range []string{events.TypeMessage, events.TypeCall, events.TypeBilling} {
		err := decoders[typ](&events.Record{Headers: []events.Header{{Key: "ce_type", Value: []byte(typ)}}, Value: []byte(`{}`)})
		require.Equal(t, "missing_attribute", fault.ReasonOf(err), typ)
	}
}

// A newer Waybill may add fields; an older one reads on.
func TestDecodersIgnoreWhatIsNew(t *testing.T) {
	t.Parallel()
	want := messageEvent()
	r, err := want.Record()
	require.NoError(t, err)
	r.Value = append([]byte(`{"new_field":{"a":[1]},`), r.Value[1:]...)
	r.Headers = append(r.Headers, events.Header{Key: "traceparent", Value: []byte("00-1-2-00")})
	got, err := events.DecodeMessage(&r)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want, got))
}

func FuzzDecode(f *testing.F) {
	raw, message, send := rawEvent(), messageEvent(), sendRecord()
	r := raw.Record()
	f.Add(events.Pack(&r))
	for _, record := range []func() (events.Record, error){message.Record, send.Record} {
		r, err := record()
		require.NoError(f, err)
		f.Add(events.Pack(&r))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := events.Unpack(b)
		if err != nil {
			return
		}
		for _, err := range []error{
			second(events.DecodeRaw(&r)), second(events.DecodeMessage(&r)), second(events.DecodeCall(&r)), second(events.DecodeBilling(&r)),
			second(events.DecodeSend(&r)), second(events.DecodeStatus(&r)), second(events.DecodeCampaignStatus(&r)),
		} {
			require.True(t, err == nil || fault.ClassOf(err) == fault.Invalid, "%v", err)
		}
		_, err = events.ParseUUID(string(events.ReceiptOf(&r)))
		require.NoError(t, err, "a receipt is always a UUID")
	})
}

func second[T any](_ T, err error) error { return err }
