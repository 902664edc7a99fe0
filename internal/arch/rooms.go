package arch

import (
	"slices"
	"strings"
)

// floors lists the rooms by floor, the lowest first. A name that ends in "/*"
// stands for every folder below it.
var floors = [][]string{
	0: {
		"internal/fault", "internal/config", "internal/obs", "internal/seal", "internal/facts", "internal/join", "internal/errorcode",
		"internal/failpoint", "internal/nodump",
	},
	1: {"internal/events", "internal/gather"},
	2: {
		"internal/messaging", "internal/voice", "internal/email", "internal/campaign", "internal/billing", "internal/consent",
		"internal/tenantmap", "internal/tenants", "internal/history", "internal/retention", "internal/privacy",
	},
	3: {
		"internal/provider", "internal/provider/sns", "internal/bus", "migrations", "status", "sends",
		"internal/postgres/dbq",
	},
	4: {
		"internal/ingest", "internal/router", "internal/worker", "internal/control", "internal/operate", "internal/simulate",
		"internal/opspage", "internal/provider/twilio", "internal/provider/ses", "internal/provider/connect",
		"internal/provider/stripe", "internal/postgres", "internal/bus/kafkabus", "internal/embedded",
	},
	5: {"internal/app", "status/kafka", "sends/kafka"},
	6: {"cmd/*", "status/examples/*", "sends/examples/*"},
}

// suites are the rooms that only tests import. They may import any room.
var suites = []string{
	"internal/arch", "internal/testkit", "internal/bus/bustest", "internal/provider/providertest", "internal/router/routertest", "test/*", "bench/*",
	"deploy",
}

// floorOf returns the floor of a product room.
func floorOf(room string) (int, bool) {
	for n, rooms := range floors {
		if oneOf(rooms, room) {
			return n, true
		}
	}
	return 0, false
}

// Repeated returns the names that stand in the table more than once.
func Repeated() []string {
	seen := map[string]bool{}
	var out []string
	for _, rooms := range append(slices.Clone(floors), suites) {
		for _, r := range rooms {
			if seen[r] {
				out = append(out, r)
			}
			seen[r] = true
		}
	}
	return out
}

func isSuite(room string) bool { return oneOf(suites, room) }

// oneOf tells whether a path is one of the names, or below one that ends in "/*".
func oneOf(names []string, path string) bool {
	for _, n := range names {
		if below, ok := strings.CutSuffix(n, "*"); ok && strings.HasPrefix(path, below) || n == path {
			return true
		}
	}
	return false
}
