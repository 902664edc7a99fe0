package operate_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/operate"
)

func TestClocksAreJudgedByWhatIsSure(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ahead, unsure time.Duration
		want          string
	}{
		{0, 0, operate.CheckOK},
		{2 * time.Second, 0, operate.CheckOK},
		{3 * time.Second, 0, operate.CheckWarning},
		{-3 * time.Second, 0, operate.CheckWarning},
		{3 * time.Second, 2 * time.Second, operate.CheckOK},
		{31 * time.Second, 0, operate.CheckFailed},
		{-31 * time.Second, 500 * time.Millisecond, operate.CheckFailed},
		{-31 * time.Second, 2 * time.Second, operate.CheckWarning},
	} {
		var d operate.Diagnosis
		d.AddClock("the database", c.ahead, c.unsure)
		require.Equal(t, c.want, d.Checks[0].State, "%s +- %s", c.ahead, c.unsure)
		require.Equal(t, c.want != operate.CheckFailed, d.OK)
		require.Equal(t, c.want != operate.CheckOK, d.Checks[0].Next != "")
	}
}

func TestATopicFailsWhereAPromiseWouldBreak(t *testing.T) {
	t.Parallel()
	var d operate.Diagnosis
	d.AddTopics(14, []bus.TopicProblem{
		{Topic: "a", What: "retention", Want: "168h0m0s", Have: "24h0m0s"},
		{Topic: "b", What: "replication", Want: "3", Have: "1", Fatal: true},
		{Topic: "b", What: "min_insync", Want: "2", Have: "1", Fatal: true},
		{Topic: "c", What: "missing", Want: "24 partitions", Have: "no topic", Fatal: true},
	})
	require.False(t, d.OK)
	require.Equal(t, []string{operate.CheckWarning, operate.CheckFailed, operate.CheckFailed, operate.CheckFailed},
		[]string{d.Checks[0].State, d.Checks[1].State, d.Checks[2].State, d.Checks[3].State})
	require.Contains(t, d.Checks[3].Next, "topics create")
	for _, c := range d.Checks {
		require.NotEmpty(t, c.Next)
	}
}

func TestARequestIsReadAsItWasSaved(t *testing.T) {
	t.Parallel()
	const head = "POST /api/webhooks/sms?a=%7e&b HTTP/1.1\r\nHost: h\r\n"
	for name, c := range map[string]struct{ saved, body, note string }{
		"length":         {head + "Content-Length: 3\r\n\r\na=b", "a=b", ""},
		"no length":      {head + "\r\na=b\n", "a=b\n", ""},
		"no body":        {head + "\r\n", "", ""},
		"editor's lines": {"POST /api/webhooks/sms?a=%7e&b HTTP/1.1\nHost: h\n\na=b", "a=b", ""},
		"line break":     {head + "Content-Length: 3\r\n\r\na=b\n", "a=b", ""},
		"longer":         {head + "Content-Length: 3\r\n\r\na=bc", "a=b", "longer"},
		"shorter":        {head + "Content-Length: 9\r\n\r\na=b", "a=b", "shorter"},
		"chunks":         {head + "Transfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n", "a=b", ""},
	} {
		w, err := operate.ReadWire([]byte(c.saved))
		require.NoError(t, err, name)
		require.Equal(t, "/api/webhooks/sms?a=%7e&b", w.Head.RequestURI, "byte for byte")
		require.Equal(t, c.body, string(w.Body), name)
		require.Contains(t, w.Note, c.note, name)
		require.Equal(t, c.note == "", w.Note == "", name)
	}
}
