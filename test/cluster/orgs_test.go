package cluster_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// enough is how many callbacks each of these runs must have seen accepted.
const enough = 200_000

// Few organisations make large groups in a batch, many make small ones: both
// must end as they should, also when the workers are killed on the way.
func TestManyOrganisations(t *testing.T) {
	if !*load {
		t.Skip("each of four runs plays 200,000 callbacks: make test-orgs")
	}
	for _, orgs := range []int{50, 1000} {
		for _, kills := range []int{0, 5} {
			t.Run(fmt.Sprintf("orgs=%d/kills=%d", orgs, kills), func(t *testing.T) {
				c := newCluster(t, 1)
				watch := c.watchOffsets()
				w := weather{2000, 112 * time.Second, strings.Replace(bad, "--orgs 50", fmt.Sprintf("--orgs %d", orgs), 1)}
				p := c.simulate(w)
				pause := w.duration / time.Duration(kills+1)
				for range kills {
					c.whilePlaying(p, pause*3/5+rand.N(pause/5))
					c.workers[0].Kill()
					c.workers[0] = c.start("workers")
				}
				r := c.verdict(p)
				require.GreaterOrEqual(t, r.Accepted, int64(enough))
				watch.neverFell()
				c.audit()
				c.stop()
			})
		}
	}
}
