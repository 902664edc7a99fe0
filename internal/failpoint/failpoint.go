// Package failpoint names the moments between two durable steps at which a
// crash is hardest to survive, so that a test can make a process die or stop
// at exactly one of them.
//
// A program built with the tag failpoint reads one variable:
//
//	WAYBILL_FAILPOINT=worker.after_commit=kill@3
//
// kill ends the process with SIGKILL, stop halts it with SIGSTOP until somebody
// sends SIGCONT; @3 = the third time that this process reaches the point, the
// first when left out. Any other program, and so the product, has none of
// this: [Reach] is empty and the compiler leaves no trace of it.
package failpoint

// Point is a moment between two steps.
type Point string

// The points, in the order in which an event passes them.
const (
	// RouterBeforePublish: what a batch holds and learns is committed, and
	// none of it is on its domain topic.
	RouterBeforePublish Point = "router.before_publish"
	// RouterAfterPublish: a batch is on its domain topics, and the router's
	// position does not say so.
	RouterAfterPublish Point = "router.after_publish"
	// RouterAfterRelease: held events are on their domain topics, and are still
	// held.
	RouterAfterRelease Point = "router.after_release"
	// WorkerBeforeApply: a batch is read, its transaction not begun.
	WorkerBeforeApply Point = "worker.before_apply"
	// WorkerBeforeCommit: a batch's statements are all done, and nothing is
	// committed.
	WorkerBeforeCommit Point = "worker.before_commit"
	// WorkerAfterCommit: a batch is committed, and its status events, of which
	// there are some, are not published.
	WorkerAfterCommit Point = "worker.after_commit"
	// KafkaBeforeCommit: a consumer has handled, and so published, batches
	// whose offsets are not committed. Routers and workers pass it.
	KafkaBeforeCommit Point = "kafka.before_commit"
)
