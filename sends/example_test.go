package sends_test

import (
	"context"
	"fmt"
	"time"

	"waybill/sends"
	"waybill/sends/kafka"
)

// A campaign is recorded before the provider is called, each answer after it.
func Example() {
	send := func(ctx context.Context, list []sends.Send, call func(to, callback string) (sid string, err error)) error {
		pub, err := kafka.NewPublisher(kafka.Config{Brokers: []string{"kafka-1:9093", "kafka-2:9093"}, TLS: true})
		if err != nil {
			return err
		}
		defer pub.Close()
		r := sends.New(pub)
		if err := r.Record(ctx, list...); err != nil { // all of them at once
			return err // nothing was sent; the same call again is right
		}
		for i, s := range list {
			callback, err := sends.StatusCallback("https://hooks.example.com", s.MessageID)
			if err != nil {
				return err
			}
			sid, err := call(s.To, callback)
			if err != nil { // refused; after a timeout nobody knows, and the record stays "intended"
				list[i] = s.Failed("", time.Now())
				continue
			}
			list[i] = s.Accepted(sid, time.Now())
		}
		return r.Record(ctx, list...)
	}
	_ = send
}

func ExampleStatusCallback() {
	callback, _ := sends.StatusCallback("https://hooks.example.com", "7d4f3a52-90d1-4f0e-8a8c-2f1f5b1c9d10")
	fmt.Println(callback)
	// Output: https://hooks.example.com/api/webhooks/sms/status?wb=7d4f3a52-90d1-4f0e-8a8c-2f1f5b1c9d10
}
