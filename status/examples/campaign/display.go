package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"waybill/status"
)

const barWidth = 24

// display draws one line over and over on a terminal, and writes a line for each
// snapshot anywhere else.
type display struct {
	out      io.Writer
	terminal bool
	drawn    bool
}

func newDisplay(out io.Writer) *display {
	d := &display{out: out}
	if f, ok := out.(*os.File); ok {
		info, err := f.Stat()
		d.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return d
}

func (d *display) waiting(campaign string) { d.line("waiting for news of campaign " + campaign) }

func (d *display) progress(c *status.Campaign) {
	text := summary(c)
	if d.terminal {
		text = bar(c) + " " + text
	} else {
		text = c.At.Format(time.RFC3339) + " " + text
	}
	d.line(text)
}

func (d *display) line(text string) {
	if d.terminal {
		fmt.Fprint(d.out, "\r", text, "\x1b[K") // and clear what is left of a longer one
		d.drawn = true
		return
	}
	fmt.Fprintln(d.out, text)
}

// end leaves the last line on the terminal.
func (d *display) end() {
	if d.drawn {
		fmt.Fprintln(d.out)
	}
}

func bar(c *status.Campaign) string {
	full := barWidth * settled(c) / max(c.Messages, 1)
	return "[" + strings.Repeat("#", int(full)) + strings.Repeat("-", barWidth-int(full)) + "]"
}

func settled(c *status.Campaign) int64 { return c.Messages - c.Open() }

// summary is as in "62% of 1000: delivered 600, failed 20 | sent 380", with the
// open ones behind the line.
func summary(c *status.Campaign) string {
	var done, open []string
	for _, name := range byCount(c.Counters) {
		part := fmt.Sprintf("%s %d", name, c.Counters[name])
		if status.Terminal(name) {
			done = append(done, part)
		} else {
			open = append(open, part)
		}
	}
	text := fmt.Sprintf("%3d%% of %d: %s | %s", 100*settled(c)/max(c.Messages, 1), c.Messages, list(done), list(open))
	if c.Overdue > 0 {
		text += fmt.Sprintf(", overdue %d", c.Overdue)
	}
	if c.CompletedAt != nil {
		text += " | complete " + c.CompletedAt.Format(time.RFC3339)
	}
	return text
}

func list(parts []string) string {
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// byCount returns the statuses, those of most messages first.
func byCount(counters map[string]int64) []string {
	return slices.SortedFunc(maps.Keys(counters), func(a, b string) int {
		return cmp.Or(cmp.Compare(counters[b], counters[a]), cmp.Compare(a, b))
	})
}
