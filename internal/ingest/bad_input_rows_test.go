package ingest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// row is a test of a row of the table of bad inputs that is not in the tables
// of this package, or only in part.
type row struct {
	name string
	test func(*testing.T) // run by TestBadInputs; nil = it is elsewhere
	file string           // from the repository's folder
	find string           // the test's text there
}

// rows are where the rest of the table is: here, and where the outcome lies
// behind the answer, with the whole pipeline.
var rows = []row{
	{"accepted", acceptedInputs, "", ""},
	{"6 a stranger, while the broker is away", strangerWhileTheBrokerIsAway, "", ""},
	{"8 a repeat", replayIsTakenUnderAReceiptOfItsOwn, "", ""},
	{"10 the alarm", unusableSecretRaisesTheAlarm, "", ""},
	{"10 another instance's key", unusableKeyOfAnotherInstance, "", ""},
	{"12 no endpoint", stripeWithoutAnEndpoint, "", ""},
	{"19 the certificate's host has a private address", certificateOfAPrivateAddress, "", ""},
	{"20 the certificate's host is silent", certificateThatNeverComes, "", ""},
	{"21 a certificate that does not vouch", certificateThatDoesNotVouch, "", ""},
	{"22 a forged confirmation", forgedConfirmation, "", ""},
	{"27 SNS too old", staleEnvelope, "", ""},
	{"28 a caller may finish", refusedCallerMayFinish, "", ""},
	{"29 a gzip bomb", gzipBomb, "", ""},
	{"30 a slow header", slowHeader, "", ""},
	{"30 a slow body", slowBody, "", ""},
	{"31 a length beside chunks", lengthBesideChunksSmugglesNothing, "", ""},
	{"33 unknown paths look alike", unknownPathsLookAlike, "", ""},
	{"36 another instance under a good key", anotherInstance, "", ""},
	{"37 records of every sort", recordsOfEverySort, "", ""},
	{"39 the broker refuses", brokerRefuses, "", ""},
	{"39 the broker refuses part of a delivery", brokerRefusesPartOfADelivery, "", ""},
	{"39 the broker is silent", brokerIsSilent, "", ""},
	{"39 no memory is left", inflightBound, "", ""},
	{"39 no memory is left while reading", inflightBoundWhileReading, "", ""},
	{"39 a third delivery", thirdDelivery, "", ""},
	{"39 draining", draining, "", ""},

	{"4 is dead", nil, "test/e2e/bad_input_test.go", `"4 MessageStatus twice"`},
	{"7 is quarantined", nil, "test/e2e/bad_input_test.go", "func TestBadInput7ForeignSignature("},
	{"7 is quarantined, of a call", nil, "test/e2e/calls_test.go", "func TestBadInput7ForeignCalls("},
	{"8 is a duplicate", nil, "test/e2e/bad_input_test.go", "func TestBadInput8Replay("},
	{"10 is refused by account add", nil, "test/e2e/bad_input_test.go", "func TestBadInput10EmptySecret("},
	{"16 is ignored", nil, "test/e2e/bad_input_test.go", `"16 Stripe type that nobody knows"`},
	{"17 is dead", nil, "test/e2e/bad_input_test.go", `"17 Stripe, not JSON"`},
	{"19 the certificate's host points elsewhere", nil, "internal/provider/sns/fetch_test.go", "certificate_redirected"},
	{"35 is applied or dead", nil, "test/e2e/bad_input_test.go", `"35 NUL in a status"`},
	{"35 leaves its neighbours alone", nil, "test/e2e/outage_test.go", "func TestBadInput35NeighboursInTheBatch("},
	{"36 is quarantined", nil, "test/e2e/connect_test.go", "func TestBadInput36AnotherInstancesKey("},
	{"37 is dead, nothing, or an event each", nil, "test/e2e/connect_test.go", "func TestBadInput37RecordsOfEverySort("},
	{"39 the broker is away", nil, "test/e2e/processes_test.go", "func TestBadInput39BrokerAway("},
	{"40 the database is away", nil, "test/e2e/outage_test.go", "func TestBadInput40DatabaseAway("},
}

var number = regexp.MustCompile(`^[0-9]+ `)

// No row of the table is without a test.
func TestBadInputsAreAllThere(t *testing.T) {
	t.Parallel()
	found := map[int]bool{}
	note := func(name string) {
		n, _ := strconv.Atoi(strings.TrimSpace(number.FindString(name)))
		found[n] = true
	}
	for _, in := range badInputs(t, time.Now()) {
		note(in.name)
	}
	for _, r := range rows {
		note(r.name)
		if r.test == nil {
			source, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(r.file)))
			require.NoError(t, err)
			require.Contains(t, string(source), r.find, r.name)
		}
	}
	for n := 1; n <= 40; n++ {
		require.True(t, found[n], "row %d has no test", n)
	}
}
