package messaging

import (
	"fmt"
	"strings"

	"waybill/internal/events"
)

// Diagram returns a picture of the statuses in Mermaid's language, drawn from
// the table, for the documentation.
func Diagram() string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n    direction LR\n")
	b.WriteString("    %% in rank order: a message may jump from any status to any that follows it\n")
	for _, d := range []events.Direction{events.Outbound, events.Inbound} {
		before := "[*]"
		for _, s := range table {
			if s.Direction != d {
				continue
			}
			fmt.Fprintf(&b, "    %s --> %s\n", before, s.Name)
			if s.Terminal {
				fmt.Fprintf(&b, "    %s --> [*]\n", s.Name)
			}
			before = s.Name
		}
	}
	return b.String()
}
