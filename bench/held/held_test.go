// Package held_test measures every statement on held events, with a thousand of
// them and with a million, records of a kilobyte each: what an operator asks and
// does, what a router does every 200 ms and every 10 s, and what dead rows that
// nobody can vacuum do to it.
//
//	go test -v -timeout 60m ./bench/held -events 1000,1000000
//
// A statement of a service or of the command may take 10 s; a chunk is meant to
// take far less, because a router waits behind its locks.
package held_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/testkit"
)

var sizes = flag.String("events", "1000,4000", "how many events are held, sizes apart by commas")

func TestMain(m *testing.M) { testkit.Main(m) }

// step is something that is done to the held events.
type step struct {
	name string
	// once is for what cannot be done again in the same way.
	once bool
	do   func(ctx context.Context, h *house) error
}

const times = 3

func TestEveryStatementAtEverySize(t *testing.T) {
	took := map[string][]time.Duration{}
	var columns []int
	for size := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(size)
		require.NoError(t, err)
		columns = append(columns, n)
		h := newHouse(t, n)
		for _, s := range steps {
			best := time.Duration(0)
			for i := range times {
				began := time.Now()
				require.NoError(t, s.do(t.Context(), h), s.name)
				if d := time.Since(began); i == 0 || d < best {
					best = d
				}
				if s.once {
					break
				}
			}
			took[s.name] = append(took[s.name], best)
			t.Logf("%d events: %s: %s", n, s.name, best.Round(100*time.Microsecond))
		}
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, n := range columns {
		fmt.Fprintf(w, "%d\t", n)
	}
	fmt.Fprintln(w, " events held, ms")
	for _, s := range steps {
		for _, d := range took[s.name] {
			fmt.Fprintf(w, "%.1f\t", float64(d.Microseconds())/1000)
		}
		fmt.Fprintln(w, " "+s.name)
	}
	require.NoError(t, w.Flush())
}
