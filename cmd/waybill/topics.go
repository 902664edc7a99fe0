package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"waybill/internal/bus"
	"waybill/internal/bus/kafkabus"
	"waybill/internal/config"
	"waybill/internal/events"
	"waybill/internal/retention"
)

type topicsCmd struct {
	Create topicsCreateCmd `cmd:"" help:"Create the topics that do not exist."`
	Check  topicsCheckCmd  `cmd:"" help:"Compare the topics with what they should be."`
}

// topicsTimeout bounds what a cluster may take to make its topics.
const topicsTimeout = 60 * time.Second

type profileFlag struct {
	Profile string `help:"How large the topics are: ${enum}." enum:"production,embedded" default:"production"`
}

// specs returns the topics as the environment wants them kept.
func (f profileFlag) specs(s *session) ([]events.TopicSpec, error) {
	var cfg struct{ Retention retention.Config }
	if err := config.Load(&cfg, s.env); err != nil {
		return nil, err
	}
	profile := events.Production
	if f.Profile == "embedded" {
		profile = events.Embedded
	}
	return events.Topics(cfg.Retention.Profile(profile)), nil
}

type topicsCreateCmd struct{ profileFlag }

// Help gives examples.
func (topicsCreateCmd) Help() string {
	return `Partition counts are fixed at birth: a topic that exists is never changed. How long records are kept comes from
WAYBILL_RETENTION_RAW, _DOMAIN, _STATUS, _CONTROL and _REJECTED.

Example:

  WAYBILL_KAFKA_BROKERS=kafka-1:9092,kafka-2:9092 waybill topics create`
}

// Run creates topics and shows what is not as it should be.
func (c topicsCreateCmd) Run(s *session) error {
	specs, err := c.specs(s)
	if err != nil {
		return err
	}
	return checkTopics(s, c.Profile, specs, func(ctx context.Context, client *kafkabus.Client) error {
		return client.EnsureTopics(ctx, specs)
	})
}

type topicsCheckCmd struct{ profileFlag }

// Help gives examples.
func (topicsCheckCmd) Help() string {
	return `Exits with 1 when a topic breaks a promise that Waybill makes. One that keeps its records longer or shorter than
WAYBILL_RETENTION_RAW and its like say is shown, too.

Example:

  waybill topics check --json`
}

// Run compares topics with what they should be.
func (c topicsCheckCmd) Run(s *session) error {
	specs, err := c.specs(s)
	if err != nil {
		return err
	}
	return checkTopics(s, c.Profile, specs, func(context.Context, *kafkabus.Client) error { return nil })
}

// checkTopics shows what is wrong with topics after doing something first.
func checkTopics(s *session, profile string, specs []events.TopicSpec, first func(context.Context, *kafkabus.Client) error) error {
	return s.withKafka(func(client *kafkabus.Client) error {
		ctx, cancel := context.WithTimeout(s.ctx, topicsTimeout)
		defer cancel()
		if err := first(ctx, client); err != nil {
			return err
		}
		problems, err := client.CheckTopics(ctx, specs)
		if err != nil {
			return err
		}
		return s.printTopics(profile, specs, problems)
	})
}

func (s *session) printTopics(profile string, specs []events.TopicSpec, problems []bus.TopicProblem) error {
	if problems == nil {
		problems = []bus.TopicProblem{}
	}
	report := struct {
		Topics   int                `json:"topics"`
		Problems []bus.TopicProblem `json:"problems"`
	}{len(specs), problems}
	fatal := false
	err := s.print(report, func(w io.Writer) {
		if len(problems) == 0 {
			fmt.Fprintf(w, "%d topics are as they should be\n", len(specs))
			return
		}
		fmt.Fprintln(w, "TOPIC\tWHAT\tWANT\tHAVE\tFATAL")
		for _, p := range problems {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%t\n", p.Topic, p.What, p.Want, p.Have, p.Fatal)
		}
	})
	for _, p := range problems {
		fatal = fatal || p.Fatal
	}
	if err == nil && fatal {
		return fmt.Errorf("topics break promises of the profile %s (the broker of `waybill dev` has --profile embedded): `waybill topics create` makes those that are missing; settings are changed with Kafka's own tools, and a topic with another number of partitions must be made anew while it is empty", profile)
	}
	return err
}
