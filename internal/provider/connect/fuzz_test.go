package connect_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider/connect"
	"waybill/internal/provider/providertest"
)

// seeds adds the vectors that match, where they are present.
func seeds(f *testing.F, pattern string, add func(body []byte)) {
	f.Helper()
	dir, ok := providertest.TryVectors("connect")
	if !ok {
		f.Log("vectors not present: own seeds alone")
		return
	}
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, file := range files {
		body, err := os.ReadFile(file)
		require.NoError(f, err)
		add(body)
	}
}

func FuzzEvent(f *testing.F) {
	add := func(body []byte) { f.Add(body) }
	add(eventOf(f, nil, nil))
	for _, pattern := range []string{"event-*.json", "lifecycle-*.json", "sns/*.json"} {
		seeds(f, pattern, add)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		raw := rawOf(events.KindContact, instance, body)
		sound(t, raw)
		keyed(t, raw)
	})
}

func FuzzRecord(f *testing.F) {
	add := func(body []byte) { f.Add(instance, body) }
	add(object(f, recordOf, nil))
	seeds(f, "ctr-*.json", func(body []byte) { f.Add(captured, body) })
	f.Fuzz(func(t *testing.T, signer string, body []byte) {
		if len(signer) == 0 || len(signer) > 256 || events.Text(signer) != signer {
			t.Skip() // not one that a raw record can have
		}
		raw := rawOf(events.KindContactRecord, signer, body)
		sound(t, raw)
		keyed(t, raw)
	})
}

// keyed: what is parsed is kept under the contact that it is about.
func keyed(t *testing.T, raw *events.Raw) {
	t.Helper()
	if p, err := (connect.Parser{}).Parse(raw); err == nil {
		require.Equal(t, p.Evidence.ProviderID, connect.KeyOf(raw.Kind, raw.Body))
	}
}

// FuzzDelivery reads requests. What is read must be all that a plain decoding
// finds, and a body that no plain decoding takes must not be taken.
func FuzzDelivery(f *testing.F) {
	f.Add([]byte(request(`{"a":1}{"b":2}`, "", "hello")), false)
	f.Add(pack(f, request(`{"a":1}`)), true)
	seeds(f, "firehose-*.json", func(body []byte) {
		var v sent
		require.NoError(f, json.Unmarshal(body, &v))
		switch {
		case v.Request.Packed != nil:
			f.Add(v.Request.Packed, true)
		case v.Request.Body != nil:
			f.Add([]byte(v.Request.Body), false)
		default:
			f.Add(body, false)
		}
	})
	f.Fuzz(func(t *testing.T, body []byte, packed bool) {
		encoding := ""
		if packed {
			encoding = "gzip"
		}
		var all [][]byte
		d, err := connect.ReadDelivery(bytes.NewReader(body), encoding, "", func(doc connect.Document) error {
			require.Equal(t, len(all), doc.Number)
			require.NotEmpty(t, doc.Body)
			require.LessOrEqual(t, len(doc.Body), 2*connect.MaxRecordBytes)
			all = append(all, doc.Body)
			return nil
		})
		require.Len(t, all, d.Documents)
		if err != nil {
			require.Contains(t, connect.RequestReasons(), err.Error())
			require.Contains(t, []fault.Class{fault.Invalid, fault.Internal}, fault.ClassOf(err))
			return
		}
		require.NotEmpty(t, d.RequestID)
		if packed {
			return
		}
		var plain struct {
			Records []struct{ Data string }
		}
		require.NoError(t, json.Unmarshal(body, &plain))
		if strings.Count(strings.ToLower(string(body)), `records`) == 1 {
			require.Len(t, plain.Records, d.Records)
		}
	})
}
