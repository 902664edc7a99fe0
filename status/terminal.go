package status

// terminal holds the statuses of every channel: no name is terminal on one and
// open on another.
var terminal = map[string]bool{
	// SMS and WhatsApp
	"canceled": true, "failed": true, "undelivered": true, "delivered": true, "read": true, "received": true,
	// e-mail
	"bounced_transient": true, "bounced_permanent": true, "rejected": true, "rendering_failed": true,
	// calls
	"busy": true, "no_answer": true, "completed": true,
}

// Terminal tells whether nothing more is to be expected after a status: the
// message or call is not open any more. It is no promise that nothing comes: a
// message is read after it is delivered, a carrier corrects itself, an e-mail
// bounces late. A status that this release does not know is not terminal.
func Terminal(status string) bool { return terminal[status] }
