package billing

import (
	"fmt"
	"strings"

	"waybill/internal/events"
)

// Diagram returns a picture of a subscription's life in Mermaid's language,
// drawn from the list of its statuses, for the documentation.
func Diagram() string {
	var b, ends strings.Builder
	b.WriteString("stateDiagram-v2\n    direction LR\n")
	b.WriteString("    %% a subscription that is open may go from any status to any other, back too\n")
	b.WriteString("    [*] --> open\n    state open {\n        direction LR\n")
	for _, status := range kinds[events.ObjectSubscription].life {
		if Ended(events.ObjectSubscription, status) {
			fmt.Fprintf(&ends, "    open --> %s\n    %s --> [*]\n", status, status)
		} else {
			fmt.Fprintf(&b, "        %s\n", status)
		}
	}
	b.WriteString("    }\n    open --> open: the newest second says otherwise\n")
	return b.String() + ends.String()
}
