package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/operate"
	"waybill/internal/postgres"
	"waybill/internal/testkit"
)

// stage is a database in which the histories of some organisations are played,
// and what an organisation sees of it.
type stage struct {
	*desk

	worker, operator *pgxpool.Pool
	inspect          *postgres.Inspect
	held             *postgres.Held
	campaigns        *postgres.Campaigns
	tables           []orgTable
}

// newStage makes a stage with the organisations of another one, if one is given.
func newStage(t *testing.T, like *stage) *stage {
	t.Helper()
	s := &stage{desk: newDesk(t)}
	s.worker, s.operator = s.db.Pool(t, testkit.Worker), s.db.Pool(t, testkit.Operator)
	s.inspect, s.held = postgres.NewInspect(s.open(t, testkit.Operator)), postgres.NewHeld(s.open(t, testkit.Operator))
	s.campaigns, s.tables = postgres.NewCampaigns(s.open(t, testkit.Worker)), s.orgTables(t)
	if like != nil {
		s.exec(t, "INSERT INTO organizations (id, name) VALUES ($1, 'test'), ($2, 'test')", like.orgA, like.orgB)
		for signer, org := range map[string]events.OrgID{like.signA: like.orgA, like.signB: like.orgB} {
			s.exec(t, "INSERT INTO account_orgs (account_id, org_id, valid) SELECT id, $2, tstzrange(NULL, NULL) FROM accounts WHERE name = $1", signer, org)
		}
		s.exec(t, "DELETE FROM account_orgs WHERE org_id IN ($1, $2)", s.orgA, s.orgB)
		s.exec(t, "DELETE FROM organizations WHERE id IN ($1, $2)", s.orgA, s.orgB)
		s.orgA, s.orgB = like.orgA, like.orgB
	}
	return s
}

// clear forgets all that was played.
func (s *stage) clear() error {
	return pgx.BeginFunc(context.Background(), s.owner, func(tx pgx.Tx) error {
		sql := "SET LOCAL session_replication_role = replica; DELETE FROM event_ids; DELETE FROM event_duplicates; DELETE FROM held_events; DELETE FROM held_keys"
		for i := range s.tables {
			sql += "; DELETE FROM " + s.tables[i].Name
		}
		_, err := tx.Exec(context.Background(), sql)
		return err
	})
}

// play applies a batch and returns the answer.
func (s *stage) play(t require.TestingT, batch []events.Message) events.Effect {
	effect, err := s.messages.Apply(context.Background(), []bus.Fence{s.fence(len(batch))}, batch)
	require.NoError(t, err)
	s.at += int64(len(batch))
	return effect
}

// view is everything that an organisation can see: its rows, its part of what
// is kept of all events, and what operators are told who ask for it alone.
func (s *stage) view(t require.TestingT, o *orgActor) map[string]string {
	ctx := context.Background()
	seen := map[string]string{}
	// Publishing comes first, for it notes which campaigns are complete.
	published := []events.CampaignStatus{}
	_, unpublished := s.campaigns.Publish(ctx, 1000, noon, func(list []events.CampaignStatus) error {
		for i := range list {
			if list[i].Org == o.org {
				published = append(published, list[i])
			}
		}
		return errLost // they stay to be published
	})
	if errors.Is(unpublished, errLost) {
		unpublished = nil
	}
	read := func(name string, tx pgx.Tx, sql string, args ...any) {
		rows, err := tx.Query(ctx, "SELECT to_jsonb(t)::text FROM ("+sql+") t", args...)
		require.NoError(t, err, sql)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err, sql)
		for i := range lines {
			lines[i] = timeless(t, []byte(lines[i]))
		}
		slices.Sort(lines)
		seen[name] = strings.Join(lines, "\n")
	}
	require.NoError(t, pgx.BeginFunc(ctx, s.worker, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "SELECT set_config('waybill.org', $1, true)", o.org)
		for i := range s.tables {
			read(s.tables[i].Name, tx, "SELECT * FROM "+s.tables[i].Name)
		}
		return err
	}))
	require.NoError(t, pgx.BeginFunc(ctx, s.operator, func(tx pgx.Tx) error {
		for i := range s.tables {
			name := s.tables[i].Name
			read(name+" to operators", tx, "SELECT * FROM "+name+" WHERE org_id = $1", o.org)
			require.Equal(t, seen[name], seen[name+" to operators"], "the worker and the operator see the same rows of %s", name)
		}
		mine := "%/" + o.signer + "/%"
		read("outcomes", tx, "SELECT * FROM event_ids WHERE org_id = $1 OR event_id LIKE $2", o.org, mine)
		read("repeats", tx, "SELECT * FROM event_duplicates WHERE event_id LIKE $1", mine)
		read("held", tx, "SELECT * FROM held_events WHERE event_id LIKE $1", mine)
		return nil
	}))
	tell := func(name string, v any, err error) {
		if err != nil {
			v = err.Error()
		}
		text, err := json.Marshal(v)
		require.NoError(t, err)
		seen[name] = timeless(t, text)
	}
	for _, id := range idsInUse() {
		story, err := operate.Trace(ctx, s.inspect, id, string(o.org))
		tell("trace "+id, story, err)
	}
	for n := range fewParents {
		id := fmt.Sprintf(sharedIDFmt, 0xc1+n)
		numbers, err := operate.ShowCampaign(ctx, s.inspect, id, string(o.org))
		tell("campaign "+id, numbers, err)
		require.True(t, err != nil || numbers.Equal, "the numbers add up")
	}
	held, err := operate.ListHeld(ctx, s.held, operate.Selection{Org: string(o.org)}, 1000)
	tell("held list", held, err)
	tell("snapshots", published, unpublished)
	return seen
}

// idsInUse are ids that every organisation uses for something of its own.
func idsInUse() []string {
	ids := []string{"+12025550177"}
	for n := range fewIDs + 1 {
		ids = append(ids, sid(n+1), fmt.Sprintf(sharedIDFmt, n+1))
	}
	return append(ids, fmt.Sprintf(sharedIDFmt, 0x1001), fmt.Sprintf(sharedIDFmt, 0xc1))
}

// began lies before anything that a test of this process writes.
var began = time.Now().Add(-time.Minute)

// timeless returns JSON in which the database's clock does not show.
func timeless(t require.TestingT, text []byte) string {
	var v any
	require.NoError(t, json.Unmarshal(text, &v))
	var walk func(any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for k := range v {
				v[k] = walk(v[k])
			}
			if v["changed_by"] != nil { // the number of a transaction is a clock of the database's
				v["changed_by"] = "<now>"
			}
			if v["id"] != nil && v["status"] != nil && v["kind"] == nil && v["version"] == nil { // a recipient's is random
				v["id"] = "<random>"
			}
		case []any:
			for i := range v {
				v[i] = walk(v[i])
			}
		case string:
			if at, err := time.Parse(time.RFC3339, v); err == nil && at.After(began) && at.Before(time.Now().Add(time.Minute)) {
				return "<now>"
			}
		}
		return v
	}
	out, err := json.Marshal(walk(v))
	require.NoError(t, err)
	return string(out)
}

// told is the part of an answer that concerns an organisation, as it is published.
func told(e events.Effect, org events.OrgID) []string {
	var lines []string
	for i := range e.Status {
		if s := &e.Status[i]; s.Org == org {
			for j := range s.Recipients {
				s.Recipients[j].ID = "<random>"
			}
			lines = append(lines, fmt.Sprintf("%s %+v", s.EventID(), *s))
		}
	}
	return lines
}

// Each of two organisations, whose ids are the same throughout, sees, gets and
// is told the same whether the other one is there or not.
func TestAnOrganisationIsTheSameWithAndWithoutAnother(t *testing.T) {
	t.Parallel()
	both := newStage(t, nil)
	alone := map[events.OrgID]*stage{both.orgA: newStage(t, both), both.orgB: newStage(t, both)}
	rapid.Check(t, func(t *rapid.T) {
		for _, s := range []*stage{both, alone[both.orgA], alone[both.orgB]} {
			require.NoError(t, s.clear())
		}
		actors := []*orgActor{{org: both.orgA, signer: both.signA}, {org: both.orgB, signer: both.signB}}
		for range rapid.IntRange(1, 3).Draw(t, "batches") {
			var batch []events.Message
			own := map[events.OrgID][]events.Message{}
			for range rapid.IntRange(1, 12).Draw(t, "events") {
				o := actors[rapid.IntRange(0, 1).Draw(t, "actor")]
				e := o.happen(t)
				batch, own[o.org] = append(batch, e), append(own[o.org], e)
			}
			together := both.play(t, batch)
			sum := events.Effect{Outcomes: map[events.Outcome]int{}}
			for _, o := range actors {
				effect := alone[o.org].play(t, own[o.org])
				require.Empty(t, cmp.Diff(told(effect, o.org), told(together, o.org)), "what it is told")
				for outcome, n := range effect.Outcomes {
					sum.Outcomes[outcome] += n
				}
				sum.Duplicates += effect.Duplicates
			}
			require.Equal(t, sum.Outcomes, together.Outcomes)
			require.Equal(t, sum.Duplicates, together.Duplicates)
		}
		for _, o := range actors {
			require.Empty(t, cmp.Diff(alone[o.org].view(t, o), both.view(t, o)), "what it sees")
		}
	})
}
