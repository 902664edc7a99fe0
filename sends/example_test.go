package sends_test

import (
	"context"
	"fmt"
	"time"

	"waybill/sends"
	"waybill/sends/kafka"
)

// A campaign is recorded before the provider is called, and what it answered
// after. Nothing returns in between: what was answered is recorded.
func Example() {
	send := func(ctx context.Context, list []sends.Send, call func(to, callback string) (sid, code string, err error)) error {
		pub, err := kafka.NewPublisher(kafka.Config{Brokers: []string{"kafka-1:9093", "kafka-2:9093"}, TLS: true})
		if err != nil {
			return err
		}
		defer pub.Close()
		callbacks := make([]string, len(list))
		for i, s := range list {
			if callbacks[i], err = sends.StatusCallback("https://hooks.example.com", s.MessageID); err != nil {
				return err
			}
		}
		r := sends.New(pub)
		if err := r.Record(ctx, list...); err != nil { // all of them at once
			return err // nothing was sent; the same call again is right
		}
		var answers []sends.Send
		for i, s := range list {
			switch sid, code, err := call(s.To, callbacks[i]); {
			case err != nil: // a timeout: nobody knows, the record stays "intended" until the callback's echo tells
			case code != "": // refused
				answers = append(answers, s.Failed(code, time.Now()))
			default:
				answers = append(answers, s.Accepted(sid, time.Now()))
			}
		}
		return r.Record(context.WithoutCancel(ctx), answers...) // again while it fails: these are known nowhere else
	}
	_ = send
}

func ExampleStatusCallback() {
	callback, _ := sends.StatusCallback("https://hooks.example.com", "7d4f3a52-90d1-4f0e-8a8c-2f1f5b1c9d10")
	fmt.Println(callback)
	// Output: https://hooks.example.com/api/webhooks/sms/status?wb=7d4f3a52-90d1-4f0e-8a8c-2f1f5b1c9d10
}
