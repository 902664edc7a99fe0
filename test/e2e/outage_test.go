package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/simulate"
)

// freeze stops the private PostgreSQL, every process of it, as a host that
// hangs would, and returns what lets it go on. Its connections stay open and
// silent, which is worse than a refused one.
func (h *house) freeze() (thaw func()) {
	h.t.Helper()
	text, err := os.ReadFile(filepath.Join(h.dir, "postgres", "postmaster.pid"))
	require.NoError(h.t, err)
	line, _, _ := strings.Cut(string(text), "\n")
	postmaster, err := strconv.Atoi(line)
	require.NoError(h.t, err)
	require.NoError(h.t, syscall.Kill(postmaster, syscall.SIGSTOP)) // from here on it makes no children
	children := childrenOf(h.t, postmaster)
	require.NotEmpty(h.t, children)
	signal := func(s syscall.Signal) {
		for _, pid := range children {
			_ = syscall.Kill(pid, s) // one may have ended
		}
	}
	signal(syscall.SIGSTOP)
	thawed := false
	thaw = func() {
		if !thawed {
			thawed = true
			signal(syscall.SIGCONT)
			require.NoError(h.t, syscall.Kill(postmaster, syscall.SIGCONT))
		}
	}
	h.t.Cleanup(thaw)
	ctx, cancel := context.WithTimeout(h.t.Context(), 200*time.Millisecond)
	defer cancel()
	require.Error(h.t, h.db.Check(ctx), "the database still answers")
	return thaw
}

// childrenOf asks /proc.
func childrenOf(t *testing.T, parent int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	if len(stats) == 0 {
		t.Skip("this system does not tell who is whose child")
	}
	var pids []int
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		// pid (name) state parent ...; the name may hold anything
		_, rest, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ")
		var state string
		var ppid int
		if _, err := fmt.Sscan(rest, &state, &ppid); err == nil && ppid == parent {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			require.NoError(t, err)
			pids = append(pids, pid)
		}
	}
	return pids
}

// Row 40: what comes while PostgreSQL is away is accepted, and applied when it
// is back.
func TestBadInput40DatabaseAway(t *testing.T) {
	h := open(t)
	const messages = 20
	sids := make([]string, messages)
	for i := range sids {
		sids[i] = h.id("SM")
	}
	const published = `waybill_ingest_published_total{topic="waybill.raw.twilio.v1"}`
	before := h.figures("waybill_ingest_published_total")[published]
	thaw := h.freeze()
	for _, sid := range sids {
		h.send(events.Send{Org: events.OrgID(h.a.org), Account: h.a.Account, ProviderID: sid, From: h.a.number, To: person})
		h.status(h.a, sid, "sent", "")
		h.status(h.a, sid, "delivered", "")
	}
	h.call(h.a.Sign(inboundPath, with(inbound(h.a, h.id("SM")), "Body", "hello")), http.StatusOK)
	sub := h.id("sub_")
	r, err := h.stripe.Subscription(simulate.SubscriptionEvent{
		EventID: h.id("evt_"), Type: "customer.subscription.created", Subscription: sub, Customer: "cus_1", Status: "active", Created: time.Now(),
	}, time.Now())
	require.NoError(t, err)
	h.call(r, http.StatusOK)
	require.InDelta(t, before+2*messages+1, h.figures("waybill_ingest_published_total")[published], 0, "each is in Kafka before its 2xx")
	thaw()
	thawed := time.Now()
	for _, sid := range sids {
		h.settled(sid, 3)
		h.row(sid, "delivered")
	}
	h.row(sub, "active")
	t.Logf("all applied %s after the database came back", time.Since(thawed).Round(time.Millisecond))
	h.good()
}

// Row 35 again: while the database is away records queue up, so that all of
// these share their batches with good ones, which are unaffected.
func TestBadInput35NeighboursInTheBatch(t *testing.T) {
	h := open(t)
	inputs := badInputs(h)
	sids := make([]string, len(inputs))
	for i := range sids {
		sids[i] = h.sent(h.b)
	}
	before := h.held()
	dead := 0
	thaw := h.freeze()
	for i := range inputs {
		h.status(h.b, sids[i], "sent", "")
		h.call(inputs[i].request, inputs[i].answer)
		h.status(h.b, sids[i], "delivered", "")
		if inputs[i].outcome == events.Dead {
			dead++
		}
	}
	thaw()
	for i := range inputs {
		inputs[i].cameTrue(h, before)
		require.EqualValues(t, 3, h.row(sids[i], "delivered").Version)
	}
	held := h.held()
	require.Len(t, held, len(before)+dead)
	for id, e := range held {
		if _, old := before[id]; !old {
			require.Equal(t, events.Dead, e.State)
		}
	}
	h.good()
}
