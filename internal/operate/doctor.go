package operate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"waybill/internal/bus"
)

// The states of a [Check]. They are promises.
const (
	CheckOK      = "ok"
	CheckWarning = "warning" // works, but a promise may not hold
	CheckFailed  = "failed"  // does not work, or breaks a promise
	CheckSkipped = "skipped" // could not be looked at
)

// Check is what one look came to. Its JSON names are promises.
type Check struct {
	Name  string `json:"check"`
	State string `json:"state"`
	Found string `json:"found"`
	Next  string `json:"next,omitempty"` // what to do, "" = nothing
}

// Bounds of what clocks may differ by.
const (
	clockWarning = 2 * time.Second
	clockFailed  = 30 * time.Second // as much as the alarm allows
)

// Diagnosis is the result of a check-up. Its JSON names are promises.
type Diagnosis struct {
	OK     bool    `json:"ok"` // nothing failed
	Checks []Check `json:"checks"`
}

// Add adds a check.
func (d *Diagnosis) Add(name, state, found, next string) {
	d.Checks = append(d.Checks, Check{name, state, found, next})
	d.OK = !slices.ContainsFunc(d.Checks, func(c Check) bool { return c.State == CheckFailed })
}

// Database is what a look at the database shows.
type Database struct {
	Role         string
	Superuser    bool
	Server       string
	Schema, Want int64
	Ahead        time.Duration // its clock before ours
	Unsure       time.Duration
}

// AddDatabase judges the database.
func (d *Diagnosis) AddDatabase(v *Database) {
	d.Add("database", CheckOK, "PostgreSQL "+v.Server+" answers", "")
	switch {
	case v.Superuser:
		d.Add("role", CheckWarning, v.Role+" may do everything: row-level security does not hold for it", "give WAYBILL_DATABASE_URL the role waybill_operator; a service its own, waybill_router or waybill_worker")
	case v.Role == "waybill_owner":
		d.Add("role", CheckWarning, v.Role+" owns the tables", "keep it for `waybill migrate`, and give WAYBILL_DATABASE_URL the role waybill_operator")
	case !slices.Contains([]string{"waybill_operator", "waybill_readonly", "waybill_router", "waybill_worker"}, v.Role):
		d.Add("role", CheckWarning, "the user is none of Waybill's roles", "give WAYBILL_DATABASE_URL the role waybill_operator, unless this one is its member")
	default:
		d.Add("role", CheckOK, v.Role, "")
	}
	switch {
	case v.Schema < v.Want:
		d.Add("schema", CheckFailed, fmt.Sprintf("version %d, older than this program's %d", v.Schema, v.Want), "run `waybill migrate up` as waybill_owner, before the services of this version start")
	case v.Schema > v.Want:
		d.Add("schema", CheckOK, fmt.Sprintf("version %d, newer than this program's %d, which may go on", v.Schema, v.Want), "")
	default:
		d.Add("schema", CheckOK, fmt.Sprintf("version %d", v.Schema), "")
	}
}

// AddClock judges by how much another's clock is before ours, of which unsure may be wrong.
func (d *Diagnosis) AddClock(whose string, ahead, unsure time.Duration) {
	off := max(0, ahead.Abs()-unsure)
	name := "clock of " + whose
	state := CheckOK
	switch {
	case off > clockFailed:
		state = CheckFailed
	case off > clockWarning:
		state = CheckWarning
	default:
		d.Add(name, state, fmt.Sprintf("less than %s from ours", clockWarning), "")
		return
	}
	side := "before"
	if ahead < 0 {
		side = "behind"
	}
	d.Add(name, state, fmt.Sprintf("%s %s ours", off.Round(100*time.Millisecond), side),
		"let both machines follow NTP: Stripe's signatures are taken within 300 s of ingest's clock, and moves of senders and accounts go by time")
}

// AddTopics judges topics.
func (d *Diagnosis) AddTopics(topics int, problems []bus.TopicProblem) {
	if len(problems) == 0 {
		d.Add("topics", CheckOK, fmt.Sprintf("%d topics are as they should be: partitions, replicas, in-sync, retention", topics), "")
		return
	}
	missing := []string{}
	for _, p := range problems {
		if p.What == "missing" {
			missing = append(missing, p.Topic)
			continue
		}
		state := CheckWarning
		if p.Fatal {
			state = CheckFailed
		}
		d.Add("topic "+p.Topic, state, fmt.Sprintf("%s is %s, should be %s", p.What, p.Have, p.Want), topicNext(p.What))
	}
	if len(missing) > 0 {
		d.Add("topics", CheckFailed, fmt.Sprintf("%d of %d topics do not exist: %s", len(missing), topics, strings.Join(missing, ", ")), "run `waybill topics create`")
	}
}

func topicNext(what string) string {
	switch what {
	case "partitions":
		return "the number is fixed at birth: make the topic anew while it is empty, or use --profile embedded for the broker of `waybill dev`"
	case "replication":
		return "reassign its partitions to three brokers with Kafka's own tools: with one replica an acknowledged record can be lost"
	case "min_insync":
		return "set min.insync.replicas with kafka-configs: an acknowledgement of one replica is no durable record"
	case "retention", "segment_age":
		return "set it with kafka-configs, or WAYBILL_RETENTION_... to what is wanted: shorter leaves less time to repair, longer keeps people's data"
	}
	return "set it with Kafka's own tools (kafka-configs)"
}

// AddSigners judges who may sign, as ingest sees it.
func (d *Diagnosis) AddSigners(signers, unusable int) {
	switch {
	case unusable > 0:
		d.Add("secrets", CheckFailed, fmt.Sprintf("%d of %d signers have a secret that cannot be opened", unusable, signers), "give every process the WAYBILL_SECRET_KEY under which they were sealed, or enter them again with `waybill account add`")
	case signers == 0:
		d.Add("secrets", CheckWarning, "nobody may sign yet", "enter accounts with `waybill account add`; the router publishes them, so it must run")
	default:
		d.Add("secrets", CheckOK, fmt.Sprintf("all can be opened; signers: %d", signers), "")
	}
}
