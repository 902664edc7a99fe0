// Package cluster runs Waybill as it is run in production: ingest, router and
// workers as processes of their own, real PostgreSQL, and a broker beside them.
// `waybill simulate` plays the providers and says whether what is on record is
// what was told; the tests here kill, freeze and restart things meanwhile.
//
// With WAYBILL_TEST_KAFKA set, to whatever, each test starts a real Apache Kafka
// of its own, of one or three nodes, with scripts/kafka.sh; otherwise the broker
// is the embedded one, and what kills brokers is left out. By default the load
// is short and small. -load makes it what is promised: 2,000 callbacks a second
// for a minute.
package cluster_test

import (
	"flag"
	"testing"

	"waybill/internal/testkit"
)

var load = flag.Bool("load", false, "2,000 callbacks a second for a minute instead of a short run")

func TestMain(m *testing.M) { testkit.Main(m) }
