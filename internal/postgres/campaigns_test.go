package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/postgres"
	"waybill/internal/testkit"
)

// publish publishes what changed and returns it.
func publish(t *testing.T, c *postgres.Campaigns, limit int, now time.Time) []events.CampaignStatus {
	t.Helper()
	var got []events.CampaignStatus
	n, err := c.Publish(t.Context(), limit, now, func(list []events.CampaignStatus) error { got = list; return nil })
	require.NoError(t, err)
	require.Len(t, got, n)
	return got
}

func TestASnapshotCarriesTheNumbersAndIsPublishedOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	campaigns := postgres.NewCampaigns(d.open(t, testkit.Worker))
	d.apply(t, d.sent(d.orgA, 1), d.sent(d.orgA, 2), d.status(d.orgA, 1, "delivered", "", 1))
	first := publish(t, campaigns, 10, noon)
	require.Len(t, first, 1)
	require.Equal(t, map[string]int64{"accepted": 1, "delivered": 1}, first[0].Counters)
	require.EqualValues(t, 2, first[0].Messages)
	require.Empty(t, publish(t, campaigns, 10, noon))
	require.Empty(t, publish(t, postgres.NewCampaigns(d.open(t, testkit.Worker)), 10, noon), "nor by another process")
}

var errLost = errors.New("the broker is away")

func TestASnapshotThatCouldNotBePublishedStaysToBePublished(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	campaigns := postgres.NewCampaigns(d.open(t, testkit.Worker))
	d.apply(t, d.sent(d.orgA, 1))
	_, err := campaigns.Publish(t.Context(), 10, noon, func([]events.CampaignStatus) error { return errLost })
	require.ErrorIs(t, err, errLost)
	require.Len(t, publish(t, campaigns, 10, noon), 1)
}

// What changed between reading a snapshot and noting it as published was taken
// for published, and a campaign's last numbers never came out.
func TestRegressionAChangeBehindASnapshotStaysToBePublished(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	campaigns := postgres.NewCampaigns(d.open(t, testkit.Worker))
	d.apply(t, d.sent(d.orgA, 1))
	var first []events.CampaignStatus
	_, err := campaigns.Publish(t.Context(), 10, noon, func(list []events.CampaignStatus) error {
		first = list
		d.apply(t, d.status(d.orgA, 1, "delivered", "", 1))
		return nil
	})
	require.NoError(t, err)
	second := publish(t, campaigns, 10, noon)
	require.Len(t, second, 1)
	require.Equal(t, map[string]int64{"delivered": 1}, second[0].Counters)
	require.Greater(t, second[0].Version, first[0].Version)
}

// A publisher that lost its lock may publish behind its successor, whose newer
// snapshot would then be the one that the compacted topic forgets.
func TestAPublisherThatLostItsLockPublishesOnceMore(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	lost, successor := postgres.NewCampaigns(d.open(t, testkit.Worker)), postgres.NewCampaigns(d.open(t, testkit.Worker))
	d.apply(t, d.sent(d.orgA, 1))
	var newer []events.CampaignStatus
	_, err := lost.Publish(t.Context(), 10, noon, func([]events.CampaignStatus) error {
		require.Empty(t, publish(t, successor, 10, noon), "there is one publisher")
		_, err := d.owner.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			d.apply(t, d.status(d.orgA, 1, "sent", "", 1))
			newer = publish(t, successor, 10, noon)
			return len(newer) == 1
		}, 5*time.Second, 10*time.Millisecond)
		return nil
	})
	require.Error(t, err)
	again := publish(t, lost, 10, noon)
	require.Len(t, again, 1)
	require.GreaterOrEqual(t, again[0].Version, newer[0].Version)
}

func TestACampaignIsCompleteWhenNoMessageIsOpen(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	campaigns := postgres.NewCampaigns(d.open(t, testkit.Worker))
	d.apply(t, d.sent(d.orgA, 1), d.sent(d.orgA, 2), d.status(d.orgA, 1, "delivered", "", 1))
	require.Nil(t, publish(t, campaigns, 10, noon)[0].CompletedAt)
	d.apply(t, d.status(d.orgA, 2, "undelivered", "30003", 2))
	require.Equal(t, noon.Add(time.Minute), *publish(t, campaigns, 10, noon.Add(time.Minute))[0].CompletedAt)
	d.apply(t, d.status(d.orgA, 2, "delivered", "", 3))
	require.Equal(t, noon.Add(time.Minute), *publish(t, campaigns, 10, noon.Add(time.Hour))[0].CompletedAt, "it stays")
	d.apply(t, d.sent(d.orgA, 3))
	require.Nil(t, publish(t, campaigns, 10, noon.Add(time.Hour))[0].CompletedAt, "another message is sent")
}

// A message that is open for more than a day is overdue, also if nothing else
// happens to its campaign: the snapshot comes by the passing of time, under a
// version of its own.
func TestOverdueMessagesAreCountedAsTimePasses(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	campaigns := postgres.NewCampaigns(d.open(t, testkit.Worker))
	d.apply(t, d.sent(d.orgA, 1), d.sent(d.orgA, 2), d.sent(d.orgA, 3), d.status(d.orgA, 1, "delivered", "", 1))
	first := publish(t, campaigns, 10, noon)
	require.Zero(t, first[0].Overdue)
	require.Empty(t, publish(t, campaigns, 10, noon.Add(24*time.Hour)))
	late := publish(t, campaigns, 10, noon.Add(25*time.Hour))
	require.Len(t, late, 1)
	require.EqualValues(t, 2, late[0].Overdue)
	require.Greater(t, late[0].Version, first[0].Version)
	require.Empty(t, publish(t, campaigns, 10, noon.Add(25*time.Hour)))
	d.apply(t, d.status(d.orgA, 2, "delivered", "", 4))
	require.EqualValues(t, 1, publish(t, campaigns, 10, noon.Add(26*time.Hour))[0].Overdue)
}

// Workers of the version before leave no marks.
func TestANewPublisherFindsWhatNobodyMarked(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.apply(t, d.sent(d.orgA, 1), d.sent(d.orgB, 1))
	_, err := d.owner.Exec(t.Context(), "DELETE FROM campaign_changes")
	require.NoError(t, err)
	require.Len(t, publish(t, postgres.NewCampaigns(d.open(t, testkit.Worker)), 10, noon), 2)
	require.Empty(t, publish(t, postgres.NewCampaigns(d.open(t, testkit.Worker)), 10, noon))
}

// A function of the owner looks names up in schemas that nobody else can write
// to, and in the temporary one last: else its caller decides what it runs.
func TestRegressionOwnersFunctionsCannotBeLedAstray(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	rows, err := d.owner.Query(t.Context(), `SELECT p.proname, coalesce(array_to_string(p.proconfig, ','), '')
		FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.prosecdef AND n.nspname = 'public'`)
	require.NoError(t, err)
	found := 0
	for rows.Next() {
		var name, config string
		require.NoError(t, rows.Scan(&name, &config))
		require.Equal(t, "search_path=public, pg_temp", config, name)
		found++
	}
	require.NoError(t, rows.Err())
	require.GreaterOrEqual(t, found, 3)
	d.apply(t, d.sent(d.orgA, 1))
	conn, err := d.db.Pool(t, testkit.Worker).Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(t.Context(), "CREATE TEMP TABLE campaign_changes (org_id uuid, campaign_id uuid)")
	require.NoError(t, err)
	var dirty int
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM changed_campaigns('00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000000', 10)").Scan(&dirty))
	require.Equal(t, 1, dirty, "it reads the real table")
}

// Looking for what was applied went through the whole timeline for as long as
// there were no statistics; after a crash a batch then ran into its time limit.
func TestRegressionReplayDoesNotDependOnStatistics(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	plan := func(sql string, args ...any) string {
		rows, err := d.owner.Query(t.Context(), "EXPLAIN "+sql, args...)
		require.NoError(t, err)
		out := ""
		for rows.Next() {
			var line string
			require.NoError(t, rows.Scan(&line))
			out += line + "\n"
		}
		require.NoError(t, rows.Err())
		return out
	}
	for n := range 20 {
		d.apply(t, d.sent(d.orgA, n), d.status(d.orgA, n, "sent", "", 1))
	}
	p := plan(postgres.SelectTransitions, d.orgA, []string{"x"}, []time.Time{noon})
	require.NotContains(t, p, "Seq Scan on sms_messages", p)
	require.NotContains(t, p, "Hash Join", p)
}

// With more changed campaigns than fit one round, the first ones came up again
// and again and the rest never.
func TestRegressionEveryCampaignHasItsTurn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	campaigns := postgres.NewCampaigns(d.open(t, testkit.Worker))
	want := map[string]bool{}
	for n := range 5 {
		e := d.sent(d.orgA, n)
		e.CampaignID = uuid.NewString()
		want[e.CampaignID] = true
		d.apply(t, e)
	}
	seen := map[string]bool{}
	for range 3 { // nothing is noted as published: all stay changed
		_, err := campaigns.Publish(t.Context(), 2, noon, func(list []events.CampaignStatus) error {
			for i := range list {
				seen[list[i].CampaignID] = true
			}
			return errLost
		})
		require.ErrorIs(t, err, errLost)
	}
	require.Equal(t, want, seen)
}
