package simulate

import (
	"fmt"
	"maps"
	"time"
)

// Report is what a run came to. Its JSON names are promises.
type Report struct {
	Run           string           `json:"run"`
	Seed          uint64           `json:"seed"`
	Orgs          int              `json:"orgs"`
	Seconds       float64          `json:"seconds"`  // from the first request to the last answer
	Accepted      int64            `json:"accepted"` // genuine callbacks answered 2xx, repeats among them
	Rate          float64          `json:"accepted_per_second"`
	Answers       map[string]int64 `json:"answers"` // by HTTP status; "none" = not answered
	Retries       int64            `json:"retries"`
	GaveUp        int64            `json:"gave_up"` // letters that were never acknowledged
	Latency       Latency          `json:"latency"`
	Sends         int64            `json:"send_records"`
	Messages      int              `json:"messages"` // SMS and WhatsApp
	Emails        int              `json:"emails"`
	Calls         int              `json:"calls"`
	Contacts      int              `json:"contacts"`
	Subscriptions int              `json:"subscriptions"`
	CPUSeconds    float64          `json:"cpu_seconds"`   // this program's own
	SettledAfter  float64          `json:"settled_after"` // seconds from the last acknowledgement until lag 0 and nothing parked
	Checks        []Check          `json:"checks"`        // one a promise
	Difference    int64            `json:"difference"`    // sum over the checks; 0 = everything is as it was told
	Examples      []string         `json:"examples"`      // the first few differences
}

// Check is one comparison of what is on record with what was told.
type Check struct {
	What      string `json:"what"`
	Compared  int64  `json:"compared"`
	Different int64  `json:"different"`
}

func (r *run) report(took time.Duration) Report {
	t := &r.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	seconds := t.lastAt.Sub(r.began).Seconds()
	if t.lastAt.IsZero() {
		seconds = took.Seconds()
	}
	return Report{
		Run: r.Cast.Run, Seed: r.Seed, Orgs: len(r.Cast.Tenants), Seconds: seconds,
		Accepted: t.accepted, Rate: float64(t.accepted) / seconds, Answers: maps.Clone(t.statuses),
		Retries: t.retries.Load(), GaveUp: t.gaveUp.Load(), Latency: latency(t.all), Sends: t.sends.Load(),
		Messages: r.model.count(messageRules), Emails: r.model.count(emailRules), Calls: r.model.count(callRules),
		Contacts: r.model.count(contactRules), Subscriptions: len(r.model.subscriptions), CPUSeconds: cpu().Seconds(),
		Checks: []Check{}, Examples: []string{},
	}
}

const maxExamples = 20

// check adds a comparison.
func (r *Report) check(what string) *checker {
	r.Checks = append(r.Checks, Check{What: what})
	return &checker{report: r, at: len(r.Checks) - 1}
}

// checker counts one comparison.
type checker struct {
	report *Report
	at     int
}

// compared takes note that one more thing was looked at.
func (c *checker) compared(n int64) { c.report.Checks[c.at].Compared += n }

// differs takes note of a difference. The text names ids and statuses, never
// what somebody wrote or where they can be reached.
func (c *checker) differs(n int64, format string, args ...any) {
	if n == 0 {
		return
	}
	check := &c.report.Checks[c.at]
	check.Different += n
	c.report.Difference += n
	if len(c.report.Examples) < maxExamples {
		c.report.Examples = append(c.report.Examples, check.What+": "+fmt.Sprintf(format, args...))
	}
}
