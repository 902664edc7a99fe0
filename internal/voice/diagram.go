package voice

import (
	"fmt"
	"strings"
)

// Diagram returns a picture of a call's statuses in Mermaid's language, drawn
// from the table, for the documentation.
func Diagram() string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n    direction LR\n")
	b.WriteString("    %% in rank order: a call may jump from any status to any that follows it\n")
	draw(&b, table)
	b.WriteString("    note right of no_answer\n        Amazon Connect: completed, and no agent is known to have connected\n    end note\n")
	return b.String()
}

// RecordingDiagram returns the same of a recording's statuses.
func RecordingDiagram() string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n    direction LR\n")
	b.WriteString("    %% in rank order: a recording may jump from any status to any that follows it\n")
	rows := make([]Status, len(recordingTable))
	for i, name := range recordingTable {
		rows[i] = Status{Name: name, Terminal: i > 0}
	}
	draw(&b, rows)
	return b.String()
}

func draw(b *strings.Builder, rows []Status) {
	before := "[*]"
	for _, s := range rows {
		fmt.Fprintf(b, "    %s --> %s\n", before, s.Name)
		if s.Terminal {
			fmt.Fprintf(b, "    %s --> [*]\n", s.Name)
		}
		before = s.Name
	}
}
