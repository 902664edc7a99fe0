package kafkabus_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"

	"waybill/internal/bus/kafkabus"
	"waybill/internal/events"
)

// The hashes are those that Java's client has in its own test of murmur2
// (UtilsTest); its partition is the hash without its sign, modulo the count.
func TestKeysGoWhereJavaPutsThem(t *testing.T) {
	t.Parallel()
	hashes := map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	}
	const partitions = 24
	broker := startBroker(t, kfake.NumBrokers(1), kfake.SeedTopics(partitions, "keys"))
	client := newClient(t, kafkabus.Config{Brokers: broker.ListenAddrs()})
	for key := range hashes {
		require.NoError(t, client.Publish(t.Context(), events.Record{Topic: "keys", Key: []byte(key)}))
	}
	seen := 0
	require.NoError(t, client.Scan(t.Context(), "keys", func(records []events.Record) error {
		for _, rec := range records {
			seen++
			require.EqualValues(t, (hashes[string(rec.Key)]&0x7fffffff)%partitions, rec.Partition, "key %q", rec.Key)
		}
		return nil
	}))
	require.Equal(t, len(hashes), seen)
}
