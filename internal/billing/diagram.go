package billing

import (
	"fmt"
	"slices"
	"strings"
)

// Diagram returns a picture of a subscription's life in Mermaid's language,
// drawn from the list of its statuses, for the documentation.
func Diagram() string {
	var b, ends strings.Builder
	b.WriteString("stateDiagram-v2\n    direction LR\n")
	b.WriteString("    %% a subscription that is open may go from any status to any other, back too\n")
	b.WriteString("    [*] --> open\n    state open {\n        direction LR\n")
	for _, status := range life {
		if Ended(status) {
			fmt.Fprintf(&ends, "    open --> %s\n    %s --> [*]\n", status, status)
		} else {
			fmt.Fprintf(&b, "        %s\n", status)
		}
	}
	b.WriteString("    }\n    open --> open: the newest second says otherwise\n")
	return b.String() + ends.String()
}

// Statuses returns the statuses of a subscription from its beginning to its
// end. The slice is the caller's own.
func Statuses() []string { return slices.Clone(life) }
