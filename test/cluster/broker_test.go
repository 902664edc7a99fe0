package cluster_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/embedded"
	"waybill/internal/events"
	"waybill/internal/testkit"
)

// broker is what the cluster's records lie on.
type broker interface {
	addresses() string
	folder() string // that stands in its processes' command lines
}

// onKafka tells whether the tests run on a real Apache Kafka.
func onKafka() bool { return os.Getenv("WAYBILL_TEST_KAFKA") != "" }

// startBroker starts the brokers and names the profile of their topics. The
// embedded broker's topics are of a size of its own.
func startBroker(t *testing.T, nodes int, size events.Profile) (b broker, profile string) {
	t.Helper()
	if onKafka() {
		return startKafka(t, nodes), "production"
	}
	k, err := embedded.StartKafka(t.Context(), embedded.KafkaOptions{Dir: t.TempDir(), Sync: true, Topics: events.Topics(size)})
	require.NoError(t, err)
	t.Cleanup(k.Stop)
	return inProcess{k}, "embedded"
}

type inProcess struct{ *embedded.Kafka }

func (b inProcess) addresses() string { return b.Addr() }
func (b inProcess) folder() string    { return "no process of its own" }

// kafka is a real Apache Kafka, run by scripts/kafka.sh.
type kafka struct {
	t     *testing.T
	nodes int
	env   []string
	dir   string
	addrs string
}

func startKafka(t *testing.T, nodes int) *kafka {
	t.Helper()
	k := &kafka{t: t, nodes: nodes, dir: t.TempDir()}
	k.env = append(os.Environ(), "KAFKA_PORT="+strconv.Itoa(freePorts(t, 2*nodes)), "KAFKA_DATA="+k.dir, "NODES="+strconv.Itoa(nodes))
	t.Cleanup(func() { k.script("down") })
	k.up()
	return k
}

func (k *kafka) addresses() string { return k.addrs }
func (k *kafka) folder() string    { return k.dir }

// up starts the nodes that do not run, and waits until they answer.
func (k *kafka) up() { k.addrs = strings.TrimSpace(k.script("up")) }

func (k *kafka) script(verb string) string {
	k.t.Helper()
	cmd := exec.Command(filepath.Join(testkit.Root(), "scripts", "kafka.sh"), verb)
	cmd.Env, cmd.Stderr = k.env, os.Stderr
	out, err := cmd.Output()
	require.NoError(k.t, err)
	return string(out)
}

// kill ends a node as a power cut would.
func (k *kafka) kill(node int) {
	k.t.Helper()
	b, err := os.ReadFile(filepath.Join(k.dir, strconv.Itoa(node), "kafka.pid"))
	require.NoError(k.t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	require.NoError(k.t, err)
	require.NoError(k.t, syscall.Kill(pid, syscall.SIGKILL))
}

// freePorts returns the first of n ports in a row that nobody listens on.
func freePorts(t *testing.T, n int) int {
	t.Helper()
	for {
		_, port, err := net.SplitHostPort(testkit.FreeAddress(t))
		require.NoError(t, err)
		first, err := strconv.Atoi(port)
		require.NoError(t, err)
		free := first+n < 1<<16
		for p := first; free && p < first+n; p++ {
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
			if free = err == nil; free {
				require.NoError(t, l.Close())
			}
		}
		if free {
			return first
		}
	}
}
