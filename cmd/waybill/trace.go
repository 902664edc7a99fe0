package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"

	"waybill/internal/history"
	"waybill/internal/operate"
	"waybill/internal/postgres"
)

type traceCmd struct {
	ID  string `arg:"" name:"id" help:"Any id: message SID, message id, event id, phone number, campaign id, Stripe object."`
	Org string `placeholder:"UUID" help:"Only what belongs to this organisation."`
}

// Help gives examples.
func (traceCmd) Help() string {
	return `Shows when every event was received, whom it was verified as, where it lies in Kafka, whose it is and why, what became
of it, the row, and the status events that senders were given. An id of which nothing is on record exits with 3.

Examples:

  waybill trace SM0123456789abcdef0123456789abcdef
  waybill trace +15550100001 --org 7b2e...
  waybill trace sub_1Nv0FGQ9RKHgCVdK --json`
}

// Run shows the story of an id.
func (c traceCmd) Run(s *session) error {
	return s.withDatabase(func(db *postgres.DB) error {
		story, err := operate.Trace(s.ctx, postgres.NewInspect(db), c.ID, c.Org)
		if err != nil {
			return err
		}
		if story.Found || s.json {
			if err := s.print(story, func(w io.Writer) { printStory(w, &story) }); err != nil {
				return err
			}
		}
		if !story.Found {
			return operate.NotFound("nothing is on record about this id: it was never received, its callback was refused (see /metrics of ingest), it is being processed at this moment (ask again), or it is older than what is kept")
		}
		return nil
	})
}

func printStory(w io.Writer, s *operate.Story) {
	switch {
	case len(s.Resources) > 0:
		for i := range s.Resources {
			printResource(w, &s.Resources[i])
		}
	case s.Resource != nil:
		printResource(w, s.Resource)
	default:
		fmt.Fprintln(w, "no row yet")
	}
	if len(s.Consents) > 0 {
		fmt.Fprintln(w, "\nCHANNEL\tSENDER\tOPTED OUT\tSINCE\tORGANISATION\tBY EVENT")
		for i := range s.Consents {
			c := &s.Consents[i]
			fmt.Fprintf(w, "%s\t%s\t%t\t%s\t%s\t%s\n", c.Channel, cmp.Or(c.Sender, "every sender"), c.OptedOut, show(&c.At, "-"), c.Org, c.Event)
		}
	}
	fmt.Fprintln(w, "\nRECEIVED\tOUTCOME\tTYPE\tSTATUS\tREASON\tREPEATS\tVERIFIED AS\tRESOLVED BY\tKAFKA\tEVENT")
	for i := range s.Events {
		printEvent(w, &s.Events[i])
	}
	if len(s.StatusEvents) > 0 {
		fmt.Fprintln(w, "\nVERSION\tSTATUS\tERROR\tRECEIVED\tMESSAGE")
		for i := range s.StatusEvents {
			e := &s.StatusEvents[i]
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\n", e.Version, e.Status, dash(e.ErrorCode), show(&e.ReceivedAt, "-"), e.ID)
		}
	}
	if s.More {
		fmt.Fprintln(w, "\nthere is more on record: narrow it with --org or ask for one message")
	}
}

func printResource(w io.Writer, r *history.Resource) {
	fmt.Fprintf(w, "%s %s\n", r.Kind, r.ID)
	for _, f := range []struct{ name, value string }{
		{"status", r.Status},
		{"error", errorText(r)},
		{"provider id", r.ProviderID},
		{"organisation", string(r.Org)},
		{"sender's id", r.MessageID},
		{"origin", r.Origin},
		{"from", r.From},
		{"to", r.To},
		{"campaign", r.CampaignID},
		{"customer", r.CustomerID},
		{"account", r.Account},
		{"version", strconv.FormatInt(r.Version, 10)},
		{"received", show(&r.ReceivedAt, "")},
		{"updated", show(&r.UpdatedAt, "")},
	} {
		if f.value != "" {
			fmt.Fprintf(w, "  %s\t%s\n", f.name, f.value)
		}
	}
	facts := make([]string, 0, len(r.Facts))
	for name := range r.Facts {
		facts = append(facts, name)
	}
	sort.Strings(facts)
	for _, name := range facts {
		printFact(w, name, r.Facts[name])
	}
}

// printFact writes a fact in the words of a person, a list line by line.
func printFact(w io.Writer, name string, fact any) {
	switch f := fact.(type) {
	case history.Tally:
		fmt.Fprintf(w, "  %s\t%d, first %s, last %s\n", name, f.Count, show(f.First, "-"), show(f.Last, "-"))
	case []history.Recipient:
		for _, r := range f {
			fmt.Fprintf(w, "  recipient\t%s\n", joined(r.Address, r.Status, r.ErrorCode))
		}
	case []history.Recording:
		for _, r := range f {
			fmt.Fprintf(w, "  recording\t%s\n", joined(r.ProviderID, r.Status, r.ErrorCode, fmt.Sprintf("%d s", r.Duration), r.Location))
		}
	default:
		fmt.Fprintf(w, "  %s\t%v\n", name, fact)
	}
}

// joined puts the words that there are behind each other.
func joined(words ...string) string {
	return strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), ", ")
}

func errorText(r *history.Resource) string {
	if r.ErrorCode == "" {
		return ""
	}
	return r.ErrorCode + " (" + r.ErrorClass + ")"
}

func printEvent(w io.Writer, e *history.Event) {
	kafka := "-"
	if e.Kafka != nil {
		kafka = fmt.Sprintf("%s/%d@%d", e.Kafka.Topic, e.Kafka.Partition, e.Kafka.Offset)
	}
	status := e.Status
	if e.ErrorCode != "" {
		status += " " + e.ErrorCode
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", show(&e.ReceivedAt, "-"), e.Outcome, e.Type, dash(status), dash(e.Reason),
		e.Duplicates, dash(e.VerifiedAs), dash(e.ResolvedBy), kafka, e.ID)
}
