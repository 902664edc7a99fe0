package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"waybill/internal/bus/kafkabus"
	"waybill/internal/events"
	"waybill/internal/operate"
)

type sendCmd struct {
	Record sendRecordCmd `cmd:"" help:"Publish send records, one JSON object a line on standard input."`
}

type sendRecordCmd struct{}

// Help gives examples.
func (sendRecordCmd) Help() string {
	return `Publishes to waybill.sends.v1 what a campaign sender would. Fields: org_id, channel (sms, whatsapp, email, voice),
provider (twilio, ses, connect), account, provider_id, message_id, to, from, campaign_id, customer_id, status,
error_code, sent_at. org_id and one of message_id and provider_id are needed; without provider_id the message is
intended. A line that cannot be used is reported, the others are published; the exit status is then 1.

Example:

  echo '{"org_id":"7b2e...","channel":"sms","provider":"twilio","account":"AC...","provider_id":"SM..."}' | waybill send record`
}

// publishTimeout bounds how long a batch may wait for the broker.
const publishTimeout = 30 * time.Second

// patient is a publisher that gives up.
type patient struct{ *kafkabus.Client }

// Publish publishes within publishTimeout.
func (p patient) Publish(ctx context.Context, records ...events.Record) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	return p.Client.Publish(ctx, records...)
}

// progressEvery is how many records lie between two lines of progress.
const progressEvery = 10_000

// Run publishes send records.
func (sendRecordCmd) Run(s *session) error {
	var sent operate.Sent
	err := s.withKafka(func(client *kafkabus.Client) (err error) {
		told := 0
		sent, err = operate.RecordSends(s.ctx, s.in, patient{client}, time.Now, func(published int) {
			if published-told >= progressEvery {
				told = published
				s.progress("%d published", published)
			}
		})
		return err
	})
	for _, bad := range sent.Rejected {
		fmt.Fprintf(s.errOut, "line %d: %s\n", bad.Line, bad.Error)
	}
	if err != nil {
		return err
	}
	if err := s.print(sent, func(w io.Writer) { fmt.Fprintf(w, "%d published\n", sent.Published) }); err != nil {
		return err
	}
	if len(sent.Rejected) > 0 {
		return errors.New("some lines are not send records: put them right and record them again; recording one twice does no harm")
	}
	return nil
}
