package e2e_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/operate"
	"waybill/internal/postgres"
	"waybill/internal/simulate"
)

const (
	patience = 20 * time.Second
	person   = "+12025550177" // of the range that is kept for fiction
)

// tenant is one organisation and the Twilio account that signs for it.
type tenant struct {
	simulate.Twilio

	org, number string
}

// house is the shared instance as one test sees it.
type house struct {
	*instance

	t      *testing.T
	a, b   tenant
	stripe simulate.Stripe
	random string // begins this test's ids
	ids    int
}

func open(t *testing.T) *house {
	t.Helper()
	shared.once.Do(func() { shared.failure = shared.start() })
	require.NoError(t, shared.failure)
	b := make([]byte, 14)
	_, _ = rand.Read(b) // never fails
	h := &house{instance: &shared, t: t, stripe: simulate.Stripe{Secret: shared.ready.Seed.StripeSecret}, random: hex.EncodeToString(b)}
	for i, to := range []*tenant{&h.a, &h.b} {
		o := shared.ready.Seed.Orgs[i]
		*to = tenant{simulate.Twilio{PublicURL: shared.ready.PublicURL, Account: o.AccountSID, Token: o.AuthToken}, o.ID, o.Number}
	}
	return h
}

// id returns a new id of 32 hexadecimal digits behind a prefix.
func (h *house) id(prefix string) string {
	h.ids++
	return fmt.Sprintf("%s%s%04x", prefix, h.random, h.ids)
}

// call sends a request that must be answered with a status.
func (h *house) call(r simulate.Request, want int) {
	h.t.Helper()
	got, err := h.client.Do(h.t.Context(), &r)
	require.NoError(h.t, err)
	require.Equal(h.t, want, got)
}

// status sends a genuine status callback of an organisation's message.
func (h *house) status(from tenant, sid, status, code string) {
	h.t.Helper()
	h.call(from.Status(sid, from.number, person, status, code), http.StatusNoContent)
}

// send records a send as its sender would.
func (h *house) send(s events.Send) {
	h.t.Helper()
	s.Channel, s.Provider = events.SMS, events.Twilio
	line, err := json.Marshal(s)
	require.NoError(h.t, err)
	sent, err := operate.RecordSends(h.t.Context(), bytes.NewReader(line), h.kafka, time.Now, func(int) {})
	require.NoError(h.t, err)
	require.Empty(h.t, sent.Rejected)
}

// sent records the send of a message that the provider accepted, and returns
// its SID when there is a row of it.
func (h *house) sent(by tenant) string {
	h.t.Helper()
	sid := h.id("SM")
	h.send(events.Send{Org: events.OrgID(by.org), Account: by.Account, ProviderID: sid, From: by.number, To: person})
	h.row(sid, "accepted")
	return sid
}

// good is that a good event right after is accepted and applied.
func (h *house) good() {
	h.t.Helper()
	sid := h.sent(h.a)
	h.status(h.a, sid, "delivered", "")
	h.row(sid, "delivered")
}

// until asks again until fn holds; what it still misses is the failure.
func (h *house) until(fn func() error) {
	h.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for {
		err := fn()
		if err == nil {
			return
		}
		select {
		case <-late:
			require.NoError(h.t, err)
		case <-tick.C:
		}
	}
}

func (h *house) story(id string) operate.Story {
	h.t.Helper()
	s, err := operate.Trace(h.t.Context(), h.inspect, id, "")
	require.NoError(h.t, err)
	return s
}

// row waits until the row of an id has a status, and returns it.
func (h *house) row(id, status string) history.Resource {
	h.t.Helper()
	var r *history.Resource
	h.until(func() error {
		if r = h.story(id).Resource; r == nil || r.Status != status {
			return fmt.Errorf("the row of %s is %+v, not %s", id, r, status)
		}
		return nil
	})
	return *r
}

// event waits until the story of an id has an event that fits.
func (h *house) event(id string, fits func(*history.Event) bool) history.Event {
	h.t.Helper()
	var found history.Event
	h.until(func() error {
		story := h.story(id)
		for i := range story.Events {
			if fits(&story.Events[i]) {
				found = story.Events[i]
				return nil
			}
		}
		return fmt.Errorf("%s has the events %+v", id, story.Events)
	})
	return found
}

// settled waits until an id has so many events, each with its final outcome.
func (h *house) settled(id string, events int) {
	h.t.Helper()
	pending := func(e history.Event) bool { return !e.Outcome.Final() }
	h.until(func() error {
		if story := h.story(id); len(story.Events) != events || slices.ContainsFunc(story.Events, pending) {
			return fmt.Errorf("%s has the events %+v, not %d settled ones", id, story.Events, events)
		}
		return nil
	})
}

// held returns what is held now, by event id.
func (h *house) held() map[events.EventID]history.Held {
	h.t.Helper()
	all, err := operate.ListHeld(h.t.Context(), postgres.NewHeld(h.db), operate.Selection{}, 1000)
	require.NoError(h.t, err)
	out := map[events.EventID]history.Held{}
	for i := range all {
		out[all[i].ID] = all[i]
	}
	return out
}

// verdicts are the counters that a bad input moves.
var verdicts = []string{
	"waybill_ingest_refused_total", "waybill_router_held_total", "waybill_org_boundary_violations_total",
	"waybill_worker_dead_total", "waybill_worker_duplicates_total",
}

// figures scrapes the named metrics, by name and labels.
func (h *house) figures(names ...string) map[string]float64 {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, h.ready.AdminURL+"/metrics", http.NoBody)
	require.NoError(h.t, err)
	resp, err := h.admin.Do(req)
	require.NoError(h.t, err)
	defer resp.Body.Close()
	out := map[string]float64{}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		series, value, _ := strings.Cut(lines.Text(), " ")
		for _, name := range names {
			if rest, ok := strings.CutPrefix(series, name); ok && (rest == "" || rest[0] == '{') {
				out[series], err = strconv.ParseFloat(value, 64)
				require.NoError(h.t, err, series)
			}
		}
	}
	require.NoError(h.t, lines.Err())
	return out
}

// moves runs fn and wants exactly these counters to have gone up by one, in the
// end and also after a good event.
func (h *house) moves(fn func(), want ...string) {
	h.t.Helper()
	before := h.figures(verdicts...)
	for _, name := range want {
		require.Contains(h.t, before, name, "an alarm needs the counter at zero from the start")
	}
	fn()
	check := func() error {
		up := map[string]float64{}
		for name, now := range h.figures(verdicts...) {
			if now != before[name] {
				up[name] = now - before[name]
			}
		}
		for _, name := range want {
			if up[name] != 1 {
				return fmt.Errorf("moved: %v; want %v by one", up, want)
			}
		}
		if len(up) != len(want) {
			return fmt.Errorf("moved: %v; want %v alone", up, want)
		}
		return nil
	}
	h.until(check)
	h.good()
	require.NoError(h.t, check())
}
