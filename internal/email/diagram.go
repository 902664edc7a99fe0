package email

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Diagram returns a picture of the statuses in Mermaid's language, drawn from
// the table, for the documentation.
func Diagram() string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n")
	chain(&b, "recipient", "one recipient: may jump to any status that follows",
		slices.DeleteFunc(Statuses(), func(s Status) bool { return s.Whole }))
	chain(&b, "email", "the e-mail: the worst of what its recipients came to",
		slices.SortedFunc(slices.Values(table), func(a, b Status) int { return cmp.Compare(a.Severity, b.Severity) }))
	return b.String()
}

// chain draws the statuses in their order. The names of states are global to a
// picture, so each chain prefixes its own.
func chain(b *strings.Builder, id, title string, statuses []Status) {
	fmt.Fprintf(b, "    state %q as %s {\n        direction LR\n", title, id)
	for _, s := range statuses {
		fmt.Fprintf(b, "        state %q as %s_%s\n", s.Name, id, s.Name)
	}
	before := "[*]"
	for _, s := range statuses {
		name := id + "_" + s.Name
		fmt.Fprintf(b, "        %s --> %s\n", before, name)
		if s.Terminal {
			fmt.Fprintf(b, "        %s --> [*]\n", name)
		}
		before = name
	}
	b.WriteString("    }\n")
}
