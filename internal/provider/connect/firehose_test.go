package connect_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider/connect"
	"waybill/internal/provider/providertest"
	"waybill/internal/testkit"
)

const requestID = "ed4acda5-034f-9f42-bba1-f29aea6d7d8f"

// request returns the body of a request with these records.
func request(records ...string) string {
	var b strings.Builder
	b.WriteString(`{"requestId":"` + requestID + `","timestamp":1578090901599,"records":[`)
	for i, r := range records {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"data":"` + base64.StdEncoding.EncodeToString([]byte(r)) + `"}`)
	}
	b.WriteString(`]}`)
	return b.String()
}

func pack(t testing.TB, body string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := io.WriteString(z, body)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.Bytes()
}

// read returns the documents of a request.
func read(body io.Reader, encoding string) ([]string, connect.Delivery, error) {
	var docs []string
	d, err := connect.ReadDelivery(body, encoding, requestID, func(doc connect.Document) error {
		if doc.Number != len(docs) {
			return fmt.Errorf("document %d has number %d", len(docs), doc.Number)
		}
		docs = append(docs, string(doc.Body))
		return nil
	})
	return docs, d, err
}

func TestDelivery(t *testing.T) {
	t.Parallel()
	many := strings.Repeat("1 ", 1005)
	for _, c := range []struct {
		name    string
		records []string
		want    []string
		empty   int
	}{
		{"no records", nil, nil, 0},
		{"one", []string{`{"a":1}`}, []string{`{"a":1}`}, 0},
		{"several in one", []string{`{"a":1}{"b":2}` + "\n" + ` {"c":3}` + "\r\n"}, []string{`{"a":1}`, `{"b":2}`, `{"c":3}`}, 0},
		{"empty", []string{"", " \n", `{"a":1}`}, []string{`{"a":1}`}, 2},
		{"poison", []string{`{"ContactId":`, `{"a":1}`}, []string{`{"ContactId":`, `{"a":1}`}, 0},
		{"poison behind a good one", []string{`{"a":1} hello {"b":2}`}, []string{`{"a":1}`, `hello {"b":2}`}, 0},
		{"binary", []string{"\x00\xff"}, []string{"\x00\xff"}, 0},
		{"deep", []string{strings.Repeat("[", 20_000)}, []string{strings.Repeat("[", 20_000)}, 0},
		{"too many in one", []string{many}, append(strings.Fields(many[:2000]), strings.TrimSpace(many[2000:])+" "), 0},
		{"as large as they get", []string{`"` + strings.Repeat("a", connect.MaxRecordBytes-2) + `"`}, []string{`"` + strings.Repeat("a", connect.MaxRecordBytes-2) + `"`}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			body := request(c.records...)
			for encoding, in := range map[string]io.Reader{
				"": strings.NewReader(body), "gzip": bytes.NewReader(pack(t, body)), "GZIP": iotest.HalfReader(bytes.NewReader(pack(t, body))),
			} {
				docs, d, err := read(in, encoding)
				require.NoError(t, err)
				require.Equal(t, c.want, docs)
				require.Equal(t, connect.Delivery{RequestID: requestID, Records: len(c.records), Documents: len(c.want), Empty: c.empty}, d)
			}
		})
	}
	docs, d, err := read(strings.NewReader(`{"records":[{"data":"%%"},{},{"data":null}],"more":{"x":[1,{}]},"requestId":"`+requestID+`"} `), "identity")
	require.NoError(t, err)
	require.Equal(t, []string{"%%"}, docs, "no base64 is handed out as it is")
	require.Equal(t, 2, d.Empty)
}

func TestDeliveryBadInput(t *testing.T) {
	t.Parallel()
	id := `"requestId":"` + requestID + `"`
	packed := pack(t, request(`{"a":1}`))
	damaged := bytes.Clone(packed)
	damaged[len(damaged)-5] ^= 1 // its checksum
	corrupt := append(bytes.Clone(packed[:10]), bytes.Repeat([]byte{0xff}, 40)...)
	for _, c := range []struct {
		name, encoding, body, want string
		class                      fault.Class
	}{
		{"nothing", "", "", "cut_short", fault.Invalid},
		{"no object", "", "[]", "malformed_request", fault.Invalid},
		{"no JSON", "", "hello", "malformed_request", fault.Invalid},
		{"no records", "", `{` + id + `}`, "malformed_request", fault.Invalid},
		{"records twice", "", `{` + id + `,"records":[],"records":[]}`, "malformed_request", fault.Invalid},
		{"records no list", "", `{` + id + `,"records":{}}`, "malformed_request", fault.Invalid},
		{"record no object", "", `{` + id + `,"records":[7]}`, "malformed_request", fault.Invalid},
		{"data no text", "", `{` + id + `,"records":[{"data":7}]}`, "malformed_request", fault.Invalid},
		{"no id", "", `{"records":[]}`, "request_id_mismatch", fault.Invalid},
		{"id twice", "", `{` + id + `,` + id + `,"records":[]}`, "malformed_request", fault.Invalid},
		{"id no text", "", `{"requestId":1,"records":[]}`, "malformed_request", fault.Invalid},
		{"bad id", "", `{"requestId":"a b","records":[]}`, "malformed_request", fault.Invalid},
		{"another id", "", `{"requestId":"another","records":[]}`, "request_id_mismatch", fault.Invalid},
		{"more behind", "", request() + `{}`, "malformed_request", fault.Invalid},
		{"rubbish behind", "", request() + `%`, "malformed_request", fault.Invalid},
		{"broken key", "", `{7:1}`, "malformed_request", fault.Invalid},
		{"broken other", "", `{"x":tru}`, "malformed_request", fault.Invalid},
		{"deep", "", `{"x":` + strings.Repeat("[", 20_000), "malformed_request", fault.Invalid},
		{"cut short", "", request(`{"a":1}`)[:60], "cut_short", fault.Invalid},
		{"unpacked", "gzip", request(), "malformed_gzip", fault.Invalid},
		{"packed and cut", "gzip", string(packed[:40]), "cut_short", fault.Invalid},
		{"packed, without its checksum", "gzip", string(packed[:len(packed)-8]), "cut_short", fault.Invalid},
		{"packed and damaged", "gzip", string(damaged), "malformed_gzip", fault.Invalid},
		{"packed and corrupt", "gzip", string(corrupt), "malformed_gzip", fault.Invalid},
		{"empty gzip", "gzip", "", "cut_short", fault.Invalid},
		{"packed otherwise", "br", request(), "unsupported_encoding", fault.Invalid},
		{"a record too large", "", request(strings.Repeat("a", connect.MaxRecordBytes+1)), "record_too_large", fault.Internal},
		{"a record much too large", "", request(strings.Repeat("a", connect.MaxRecordBytes+9)), "record_too_large", fault.Internal},
		{"no base64 and too large", "", `{` + id + `,"records":[{"data":"%` + strings.Repeat("a", connect.MaxRecordBytes) + `"}]}`, "record_too_large", fault.Internal},
		{"too many records", "", request(make([]string, 10_001)...), "too_many_records", fault.Internal},
		{"too many documents", "", request(repeated(21, strings.Repeat("1 ", 1000))...), "too_many_records", fault.Internal},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := read(strings.NewReader(c.body), c.encoding)
			require.EqualError(t, err, c.want)
			require.Equal(t, c.class, fault.ClassOf(err))
			require.Contains(t, connect.RequestReasons(), c.want)
		})
	}
	_, _, err := read(iotest.TimeoutReader(iotest.HalfReader(strings.NewReader(request(strings.Repeat(" ", 4000))))), "")
	require.EqualError(t, err, "cut_short")
	require.Equal(t, fault.Unavailable, fault.ClassOf(err))

	// Whoever receives a document can stop, with an error of its own.
	full := errors.New("no room")
	d, err := connect.ReadDelivery(strings.NewReader(request("1", "2")), "", "", func(connect.Document) error { return full })
	require.Equal(t, full, err)
	require.Equal(t, 1, d.Documents)
}

func repeated(n int, s string) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = s
	}
	return all
}

// endless gives a head, then the same text again and again up to a size, then a
// tail, without holding it.
func endless(head, text string, size int, tail string) io.Reader {
	n := size / len(text)
	readers := make([]io.Reader, 0, n+2)
	readers = append(readers, strings.NewReader(head))
	for range n {
		readers = append(readers, strings.NewReader(text))
	}
	return io.MultiReader(append(readers, strings.NewReader(tail))...)
}

const head = `{"requestId":"` + requestID + `","records":[{"data":""}`

// A request of 64 MiB is read in the memory of a few records, and what is not
// Firehose's gets no more, however it is packed: the live heap is measured
// while it is read.
func TestDeliveryBoundsMemory(t *testing.T) {
	largest := `,{"data":"` + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("7 "), connect.MaxRecordBytes/2000*1000/2)) + `"}`
	one := `,{"data":"` + base64.StdEncoding.EncodeToString([]byte(`"`+strings.Repeat("a", connect.MaxRecordBytes-2)+`"`)) + `"}`
	mega := strings.Repeat("a", 1<<20)
	for _, c := range []struct {
		name string
		body func() io.Reader
		want string
	}{
		{"as large as they get", func() io.Reader { return endless(head, one, connect.MaxRequestBytes-len(one), "]}") }, ""},
		{"too large", func() io.Reader { return endless(head, one, connect.MaxRequestBytes+2*len(one), "]}") }, "request_too_large"},
		{"one text", func() io.Reader { return endless(head+`,{"data":"`, mega, connect.MaxRequestBytes-1<<20, `"}]}`) }, "record_too_large"},
		{"one text that is not looked at", func() io.Reader { return endless(`{"x":"`, mega, connect.MaxRequestBytes-1<<20, `"}`) }, "record_too_large"},
		{"blanks", func() io.Reader {
			return endless(head, strings.Repeat(" ", 1<<20), connect.MaxRequestBytes-1<<20, "]}")
		}, "record_too_large"},
		{"many documents", func() io.Reader { return endless(head, largest, 30<<20, "]}") }, "too_many_records"},
	} {
		for _, encoding := range []string{"", "gzip"} {
			t.Run(c.name+" "+encoding, func(t *testing.T) {
				in := c.body()
				if encoding == "gzip" {
					in = packing(t, in)
				}
				peak := &gauge{r: in, every: 1 << 20}
				if encoding == "gzip" {
					peak.every = 4 << 10 // well packed: a few bytes are a lot
				}
				peak.start()
				before := allocated()
				_, err := connect.ReadDelivery(peak, encoding, requestID, func(connect.Document) error { return nil })
				if c.want == "" {
					require.NoError(t, err)
				} else {
					require.EqualError(t, err, c.want)
				}
				if c.want == "record_too_large" { // refused within the window, before the whole was ever held
					require.Less(t, allocated()-before, uint64(24<<20))
				}
				require.Positive(t, peak.taken)
				t.Logf("at most %d KiB of live heap in %d measurements", peak.most>>10, peak.taken)
				require.Less(t, peak.most, int64(20<<20))
			})
		}
	}
}

// packing returns a reader of what a reader gives, in gzip, held packed.
func packing(t testing.TB, in io.Reader) io.Reader {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	require.NoError(t, err)
	_, err = io.Copy(z, in)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return &b
}

// gauge measures the live heap above that at the start, each time that so many
// bytes were read.
type gauge struct {
	r           io.Reader
	every, left int
	before      int64
	most        int64
	taken       int
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(min(m.HeapAlloc, math.MaxInt64))
}

// allocated returns how many bytes were ever allocated.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func (g *gauge) start() { g.before, g.left = heap(), g.every }

func (g *gauge) Read(p []byte) (int, error) {
	n, err := g.r.Read(p)
	if g.left -= n; g.left <= 0 || err != nil {
		g.left = g.every
		g.most = max(g.most, heap()-g.before)
		g.taken++
	}
	return n, err
}

// sent is a request as the vectors have it.
type sent struct {
	Request struct {
		Headers map[string]string
		Body    json.RawMessage
		Packed  []byte `json:"body_base64"`
	}
}

func TestVectorsOfDeliveries(t *testing.T) {
	t.Parallel()
	want := map[string][]string{ // what the parser says of each document
		"firehose-ctr-one-per-record":    {"", "", "", "", ""},
		"firehose-ctr-two-in-one-record": {"", ""},
		"firehose-gzip":                  {""},
		"firehose-bad-json-record":       {"undecodable", ""},
	}
	n := providertest.Tally{Claimed: len(want) + 1}
	for name := range want {
		if t.Run(name, func(t *testing.T) {
			var v sent
			require.NoError(t, json.Unmarshal(vector(t, name+".json"), &v))
			h := http.Header{}
			for key, value := range v.Request.Headers {
				h.Set(key, value)
			}
			body := []byte(v.Request.Body)
			if v.Request.Packed != nil {
				body = v.Request.Packed
			}
			var got []string
			d, err := connect.ReadDelivery(bytes.NewReader(body), h.Get("Content-Encoding"), h.Get("X-Amz-Firehose-Request-Id"), func(doc connect.Document) error {
				var said struct{ InstanceARN string }
				_ = json.Unmarshal(doc.Body, &said)
				p, err := parse(events.KindContactRecord, said.InstanceARN, doc.Body)
				if err != nil {
					got = append(got, err.Error())
					return nil
				}
				require.Equal(t, "completed", p.Call.Status)
				got = append(got, "")
				return nil
			})
			require.NoError(t, err)
			require.Equal(t, requestID, d.RequestID)
			require.Equal(t, len(want[name]), d.Documents)
			require.Equal(t, want[name], got)
		}) {
			n.AsIs++
		}
	}
	docs, _, err := read(bytes.NewReader(vector(t, "firehose-doc-example.json")), "")
	require.NoError(t, err)
	require.Equal(t, []string{"hello", "hello world"}, docs)
	n.AsIs++
	n.Log(t, "connect firehose")
}

func TestReply(t *testing.T) {
	t.Parallel()
	testkit.Golden(t, "reply.json", connect.Reply(requestID, received, ""))
	testkit.Golden(t, "reply-unauthorized.json", connect.Reply(requestID, received, "unauthorized"))
	require.NotContains(t, string(connect.Reply(strings.Repeat("a", 300), received, "unauthorized")), "aaa", "bounded")
	require.True(t, json.Valid(connect.Reply("\xff\x00\"<", received, "")))
	require.Equal(t, "application/json", connect.ReplyType)
}
