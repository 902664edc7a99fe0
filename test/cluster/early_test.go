package cluster_test

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
)

// What is promised of callbacks that come before their send record.
const (
	releasedWithin = time.Second // p99, from the send record on its topic to the status event
	slowedBy       = 2.0         // less than, by a million events that wait for nothing
	routerMemory   = 150 << 20   // bytes, at most at any time
)

// earlyShare makes half of all callbacks early: messages that come in and
// Stripe's events, one in twenty, wait for no send.
const earlyShare = "0.54"

// sunrise is a run of early callbacks, and how many events are parked beside it
// for sends that never come.
type sunrise struct {
	weather
	parked int
}

// Half of all callbacks come before their send record, from a moment to some
// seconds: they are parked and released, and all is applied within a second of
// the send record, however many others are parked.
func TestEarly(t *testing.T) {
	c := newCluster(t, 1)
	if !*load {
		c.parkForEver(5000)
		c.watchReleases(sunrise{weather{200, 3 * time.Second, "--orgs 10 --early " + earlyShare}, 5000})
		c.stop()
		return
	}
	const million = 1_000_000
	w := weather{2000, 2 * time.Minute, "--orgs 50 --early " + earlyShare}
	alone := c.watchReleases(sunrise{w, 0})
	c.parkForEver(million)
	beside := c.watchReleases(sunrise{w, million})
	slower := float64(beside.told.percentile(.99)) / float64(alone.told.percentile(.99))
	t.Logf("beside a million parked events the 99th percentile is %.2f times as long (promised: less than %.0f)", slower, slowedBy)
	require.Less(t, slower, slowedBy)
	c.stop()
}

// watchReleases plays a run and requires what is promised of it.
func (c *cluster) watchReleases(s sunrise) *releases {
	c.t.Helper()
	c.t.Logf("%d callbacks a second for %s beside %d parked events, load average %s", s.rate, s.duration, s.parked, machineLoad())
	began, spent := time.Now(), c.costs()
	held, released := c.counted("waybill_router_held_total"), c.counted("waybill_router_released_total")
	report := c.verdict(c.simulate(s.weather))
	spent = c.costs().since(spent)
	held, released = c.counted("waybill_router_held_total")-held, c.counted("waybill_router_released_total")-released

	r := c.releases(began)
	c.t.Logf("%d of %d callbacks came before their send record; the router counts %.0f held, %.0f released",
		r.early, report.Accepted, held, released)
	c.t.Logf("from the send record to the domain topic: %s", r.published)
	c.t.Logf("from the send record to the transaction that applied it: %s", r.applied)
	c.t.Logf("from the send record to the status event: %s", r.told)
	peak := c.peakMemory(c.routers[0])
	c.t.Logf("this run's %s; that is %.2f ms of router and PostgreSQL for each callback; the router took %d MiB at most",
		spent, 1000*(spent.of("router")+spent.of("postgresql"))/float64(report.Accepted), peak>>20)
	require.Len(c.t, r.applied, r.early, "early callbacks are applied")
	require.NotEmpty(c.t, r.told)
	require.NotZero(c.t, released)
	inTime(c.t, "99 of 100 early callbacks are told of after their send record", r.told.percentile(.99), releasedWithin)
	inTime(c.t, "99 of 100 early callbacks are applied after their send record", r.applied.percentile(.99), releasedWithin)
	if *load {
		require.GreaterOrEqual(c.t, 2*int64(r.early), report.Accepted, "half of all callbacks are early")
		require.LessOrEqual(c.t, peak, int64(routerMemory), "bytes that the router took at most")
	}
	return r
}

// counted returns the sum of a router's counter over its labels.
func (c *cluster) counted(name string) (sum float64) {
	c.t.Helper()
	_, page := c.routers[0].Ask("/metrics")
	for _, m := range regexp.MustCompile(`(?m)^`+name+`(?:\{.*\})? (.+)$`).FindAllStringSubmatch(page, -1) {
		n, err := strconv.ParseFloat(m[1], 64)
		require.NoError(c.t, err)
		sum += n
	}
	return sum
}

// What a million events look like that wait for sends that never come: those of
// accounts that nobody has entered. They are old enough not to be tried again,
// and too young to be dead.
const (
	parkKeys = `INSERT INTO tenant_map (key) SELECT 'resource=twilio:SM' || to_char(n, 'FM' || repeat('0', 32)) FROM generate_series(1, $1::int) n`
	parkEach = `
		INSERT INTO held_events (event_id, receipt_id, state, reason, provider, kind, signer, named_key, received_at, held_at,
			record, raw_topic, raw_partition, raw_offset)
		SELECT 'twilio/' || ac || '/message.status/' || sm || '/delivered/', gen_random_uuid(), 'parked', 'no_mapping', 'twilio',
			'message.status', ac, 'resource=twilio:' || sm, at, now(), $2, 'waybill.raw.twilio.v1', n % 24, n / 24
		FROM (SELECT n, 'AC' || to_char(n % 50, 'FM' || repeat('0', 32)) AS ac, 'SM' || to_char(n, 'FM' || repeat('0', 32)) AS sm,
			now() - interval '1 hour' - (n % 86400) * interval '1 second' AS at FROM generate_series(1, $1::int) n) made`
	parkUnder = `INSERT INTO held_keys (key, event_id) SELECT named_key, event_id FROM held_events WHERE reason = 'no_mapping'`
)

// parkForEver parks events that nothing will free.
func (c *cluster) parkForEver(n int) {
	c.t.Helper()
	began := time.Now()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, c.database("waybill_owner"))
	require.NoError(c.t, err)
	defer conn.Close(ctx)
	raw := events.Raw{
		Receipt: events.NewReceiptID(), Provider: events.Twilio, Kind: events.KindMessageStatus, Signer: fmt.Sprintf("AC%032d", 0),
		Key: fmt.Sprintf("SM%032d", 0), Method: "POST", URI: "/api/webhooks/sms/status", ReceivedAt: events.Millis(began),
		Headers: []events.Header{{Key: "content-type", Value: []byte("application/x-www-form-urlencoded")}},
		Body:    []byte(fmt.Sprintf("AccountSid=AC%032d&MessageSid=SM%032d&MessageStatus=delivered&Nothing=%0500d", 0, 0, 0)),
	}
	rec := raw.Record()
	for _, step := range []struct {
		sql  string
		args []any
	}{
		{parkKeys, []any{n}},
		{parkEach, []any{n, events.PackReceived(&rec, raw.Receipt, raw.ReceivedAt)}},
		{parkUnder, nil},
		{"VACUUM ANALYZE tenant_map, held_events, held_keys", nil},
	} {
		_, err := conn.Exec(ctx, step.sql, step.args...)
		require.NoError(c.t, err)
	}
	var waiting int
	require.NoError(c.t, conn.QueryRow(ctx, "SELECT count(*) FROM held_events WHERE state = 'parked'").Scan(&waiting))
	require.GreaterOrEqual(c.t, waiting, n)
	c.t.Logf("%d events parked in %s", waiting, time.Since(began).Round(time.Second))
}
