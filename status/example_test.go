package status_test

import (
	"context"
	"fmt"
	"time"

	"waybill/internal/events"
	"waybill/status"
	"waybill/status/kafka"
)

// A program that keeps each message's status: it stores the version beside it,
// so that a repeat changes nothing even after a restart.
func Example() {
	follow := func(ctx context.Context, store func(context.Context, status.Message) error) error {
		sub, err := kafka.NewSubscriber(kafka.Config{
			Brokers: []string{"kafka-1:9093", "kafka-2:9093"}, Group: "crm", TLS: true,
			SASLMechanism: "SCRAM-SHA-512", Username: "crm", Password: "...",
		})
		if err != nil {
			return err
		}
		defer sub.Close()
		// An error of store brings the message again: nothing is lost.
		return status.New(sub, status.Options{}).Messages(ctx, store)
	}
	_ = follow
}

// A campaign is followed until it is complete.
func ExampleSubscriber_Campaigns() {
	sub := &tape{records: recordsOfACampaign()} // kafka.NewSubscriber(...) in a real program
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	err := status.New(sub, status.Options{Campaign: campaign}).Campaigns(ctx, func(_ context.Context, c status.Campaign) error {
		fmt.Printf("%d of %d settled, %d delivered\n", c.Messages-c.Open(), c.Messages, c.Counters["delivered"])
		if c.CompletedAt != nil {
			fmt.Println("complete")
			stop() // this snapshot is still acknowledged
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 0 of 3 settled, 0 delivered
	// 2 of 3 settled, 1 delivered
	// 3 of 3 settled, 2 delivered
	// complete
}

// A status that this release does not know is no end.
func ExampleTerminal() {
	for _, s := range []string{"sent", "delivered", "bounced_permanent", "teleported"} {
		fmt.Println(s, status.Terminal(s))
	}
	// Output:
	// sent false
	// delivered true
	// bounced_permanent true
	// teleported false
}

func recordsOfACampaign() (records []events.Record) {
	for i, snapshot := range []string{
		`"messages":3,"counters":{"sent":3},"reached":{"sent":3}`,
		`"messages":3,"counters":{"sent":1,"delivered":1,"failed":1},"reached":{"sent":3,"delivered":1,"failed":1}`,
		`"messages":3,"counters":{"delivered":2,"failed":1},"reached":{"sent":3,"delivered":2,"failed":1},"completed_at":"2026-11-23T15:04:05Z"`,
	} {
		written := events.CampaignStatus{Org: org, CampaignID: campaign, Version: int64(i + 1), At: at.Add(time.Duration(i) * time.Second)}
		rec, err := written.Record()
		if err != nil {
			panic(err)
		}
		rec.Value = fmt.Appendf(nil, `{"org_id":%q,"campaign_id":%q,"version":%d,"at":%q,%s}`,
			org, campaign, i+1, written.At.Format(time.RFC3339Nano), snapshot)
		records = append(records, rec)
	}
	return records
}
