package events

// The consumer groups. Their committed offsets, and the positions that
// PostgreSQL keeps for them, go by these names.
const (
	GroupRouter  = "waybill-router"
	GroupWorkers = "waybill-workers"
	GroupControl = "waybill-control" // control work; it keeps no positions in PostgreSQL
)

// RouterTopics are what the router consumes.
var RouterTopics = []string{TopicRawTwilio, TopicRawStripe, TopicRawSES, TopicRawConnect, TopicSends}

// WorkerTopics are what the workers consume.
var WorkerTopics = []string{TopicMessages, TopicCalls, TopicBilling}
