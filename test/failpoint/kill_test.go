package failpoint_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/failpoint"
)

// Each case kills one process at one point, shows by what is left on record
// that it died there and nowhere else, and starts another without the point.
// left looks while nobody has taken the dead one's place. A process dies only
// after it has passed a point some times: by then it has committed offsets, and
// where its successor begins is a decision.
var deaths = []struct {
	service string
	point   failpoint.Point
	alone   bool // nothing else runs until what is left was seen
	times   string
	left    func(*house)
	end     func(*house) // what only this death leaves for ever; nil = nothing
}{
	{
		service: "workers", point: failpoint.WorkerBeforeCommit, times: "@8",
		left: func(h *house) {
			next, behind := h.positions(events.GroupWorkers), 0
			for _, r := range h.routed() {
				if r.at.Offset >= next[partition(r.at)] {
					behind++
				}
			}
			require.Positive(h.t, behind, "the batch is still to be applied")
		},
	},
	{
		service: "workers", point: failpoint.WorkerAfterCommit, times: "@8",
		left: func(h *house) { require.NotEmpty(h.t, h.unannounced(), "the batch is applied and nobody was told") },
	},
	{
		service: "workers", point: failpoint.KafkaBeforeCommit, times: "@2",
		left: func(h *house) {
			commits, uncommitted := h.commits(events.GroupWorkers, events.WorkerTopics), 0
			for p, next := range h.positions(events.GroupWorkers) {
				if next > commits[p] {
					uncommitted++
				}
			}
			require.Positive(h.t, uncommitted, "something is applied that Kafka does not know of")
		},
		end: func(h *house) {
			_, repeats := h.announced()
			require.Positive(h.t, repeats, "what was published and not committed is published again")
		},
	},
	{
		service: "router", point: failpoint.RouterBeforePublish, times: "@20",
		left: func(h *house) {
			standing, nowhere := h.standing(), 0
			for receipt := range h.receipts(events.RouterTopics...) {
				if standing[receipt] == 0 {
					nowhere++
				}
			}
			require.Positive(h.t, nowhere, "the batch is still to be passed on")
		},
	},
	{
		service: "router", point: failpoint.RouterAfterPublish, times: "@20",
		left: func(h *house) {
			require.Positive(h.t, beyond(h.routed(), h.positions(events.GroupRouter)), "something is passed on that no position knows of")
		},
		end: routedTwice,
	},
	{
		service: "router", point: failpoint.KafkaBeforeCommit, times: "@2",
		left: func(h *house) {
			standing, next, unknown := h.standing(), h.commits(events.GroupRouter, events.RouterTopics), 0
			for _, topic := range events.RouterTopics {
				for _, rec := range h.all(topic) {
					if standing[string(events.ReceiptOf(&rec))] > 0 && rec.Offset >= next[partition(rec.Position())] {
						unknown++
					}
				}
			}
			require.Positive(h.t, unknown, "something is passed on, held or ignored that Kafka does not know of")
		},
	},
	{
		service: "router", point: failpoint.RouterAfterRelease, alone: true, // workers let go of what they apply
		left: func(h *house) {
			passed, both := map[string]bool{}, 0
			for _, r := range h.routed() {
				passed[string(r.receipt)] = true
			}
			for _, receipt := range h.column("SELECT receipt_id::text FROM held_events WHERE lease_token IS NOT NULL") {
				if passed[receipt] {
					both++
				}
			}
			require.Positive(h.t, both, "something is released and still held")
		},
	},
}

// beyond counts the events whose raw records lie behind a group's positions.
func beyond(all []routed, next map[events.Position]int64) (n int) {
	for _, r := range all {
		if r.raw.Offset >= next[partition(r.raw)] {
			n++
		}
	}
	return n
}

func routedTwice(h *house) {
	times, again := map[events.ReceiptID]int{}, 0
	for _, r := range h.routed() {
		if times[r.receipt]++; times[r.receipt] == 2 {
			again++
		}
	}
	require.Positive(h.t, again, "what was passed on and not committed is passed on again")
}

func TestKilledBetweenTwoSteps(t *testing.T) {
	t.Parallel()
	for _, d := range deaths {
		t.Run(d.service+" "+string(d.point), func(t *testing.T) {
			t.Parallel()
			h := open(t)
			other := map[string]string{"workers": "router", "router": "workers"}[d.service]
			if !d.alone {
				h.start(other, "")
			}
			doomed := h.start(d.service, kill(d.point, d.times))
			doomed.Await("/readyz", http.StatusOK) // or it would find everything at once, in one batch
			playing := h.play()
			doomed.AwaitKilled(patience)
			if d.service == "workers" {
				h.whole()
			}
			d.left(h)
			if d.alone {
				h.start(other, "")
			}
			h.start(d.service, "")
			h.told(playing)
			h.balanced()
			require.Empty(t, h.unannounced())
			h.whole()
			if d.end != nil {
				d.end(h)
			}
		})
	}
}
