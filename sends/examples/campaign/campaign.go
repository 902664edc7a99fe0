package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"waybill/sends"
	sendskafka "waybill/sends/kafka"
	"waybill/status"
	statuskafka "waybill/status/kafka"
)

// recordWithin bounds how long recording waits for a broker that is away.
const recordWithin = 30 * time.Second

// campaign is one text to many numbers.
type campaign struct {
	org, publicURL, from, text string

	twilio twilio
	out    io.Writer
}

func (c *campaign) run(ctx context.Context, brokers, numbers []string) error {
	pub, err := sendskafka.NewPublisher(sendskafka.Config{Brokers: brokers})
	if err != nil {
		return err
	}
	defer pub.Close()
	id := uuid.NewString()
	fmt.Fprintln(c.out, "campaign", id)
	if len(numbers) == 0 {
		return errors.New("no numbers on standard input")
	}
	if err := c.send(ctx, sends.New(pub), c.messages(id, numbers)); err != nil {
		return err
	}
	return c.follow(ctx, brokers, id, int64(len(numbers)))
}

// messages are what is to be sent, each under an id of its own.
func (c *campaign) messages(id string, numbers []string) []sends.Send {
	out := make([]sends.Send, len(numbers))
	for i, n := range numbers {
		out[i] = sends.Send{
			Org: c.org, Channel: sends.SMS, Provider: sends.Twilio, Account: c.twilio.account,
			MessageID: uuid.NewString(), CampaignID: id, From: c.from, To: n,
		}
	}
	return out
}

// send records what is intended, then calls the provider, then records what it
// answered: whatever happens in between, Waybill knows of every message.
func (c *campaign) send(ctx context.Context, recorder *sends.Recorder, list []sends.Send) error {
	callbacks := make([]string, len(list))
	for i, s := range list {
		var err error
		if callbacks[i], err = sends.StatusCallback(c.publicURL, s.MessageID); err != nil {
			return err
		}
	}
	if err := record(ctx, recorder, list); err != nil {
		return err
	}
	answers := make([]sends.Send, 0, len(list))
	for i, s := range list {
		at := time.Now()
		switch sid, code, err := c.twilio.send(ctx, s.From, s.To, c.text, callbacks[i]); {
		case err != nil: // perhaps it was sent: then the callback's echo will tell
			fmt.Fprintln(c.out, "no answer of the provider:", err)
		case code != "":
			answers = append(answers, s.Failed(code, at))
		default:
			answers = append(answers, s.Accepted(sid, at))
		}
	}
	if err := record(context.WithoutCancel(ctx), recorder, answers); err != nil { // what was sent is worth the wait
		return err
	}
	fmt.Fprintf(c.out, "%d recorded, %d of them answered by the provider\n", len(list), len(answers))
	return ctx.Err()
}

// record records sends with one call, and with the same call again for as long
// as there is hope: what is recorded twice is recorded once.
func record(ctx context.Context, recorder *sends.Recorder, list []sends.Send) error {
	ctx, cancel := context.WithTimeout(ctx, recordWithin)
	defer cancel()
	for {
		err := recorder.Record(ctx, list...)
		if err == nil || errors.Is(err, sends.ErrInvalid) || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// follow shows the campaign's snapshots until all of its messages have come to
// an end.
func (c *campaign) follow(ctx context.Context, brokers []string, id string, messages int64) error {
	sub, err := statuskafka.NewSubscriber(statuskafka.Config{Brokers: brokers, Group: "waybill-campaign-" + rand.Text()})
	if err != nil {
		return err
	}
	defer sub.Close()
	running, stop := context.WithCancel(ctx)
	defer stop()
	return status.New(sub, status.Options{Org: c.org, Campaign: id}).Campaigns(running, func(_ context.Context, s status.Campaign) error {
		fmt.Fprintf(c.out, "%d messages, %d open: %v\n", s.Messages, s.Open(), s.Counters)
		if s.Messages == messages && s.Open() == 0 {
			stop()
		}
		return nil
	})
}
