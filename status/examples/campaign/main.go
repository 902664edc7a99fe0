// Command campaign follows a campaign until it is complete, with a progress bar:
// an example of package status, and a tool for those who wait.
//
// It exits with 0 when the campaign is complete, 1 when it cannot go on, 2 after
// wrong usage, 130 when it was interrupted.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/ThreeDotsLabs/watermill/message"

	"waybill/status"
	"waybill/status/kafka"
)

const usage = `Follow a campaign until it is complete.

Usage: campaign --campaign ID [flags]

Examples:
  go run ./status/examples/campaign --campaign 6f0c2f1e-0d4e-4a8e-9a53-0f6f3c1b2a01
  go run ./status/examples/campaign --brokers 127.0.0.1:9092 --org ID --campaign ID
  go run ./status/examples/campaign --brokers kafka:9093 --tls --sasl SCRAM-SHA-512 \
      --username crm --password-file /run/secrets/kafka --campaign ID | tee progress.log

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("campaign", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	brokers := flags.String("brokers", "127.0.0.1:9092", "addresses of Kafka `brokers`, separated by commas")
	campaign := flags.String("campaign", "", "`id` of the campaign")
	org := flags.String("org", "", "`id` of its organisation, where two have a campaign of this id")
	tls := flags.Bool("tls", false, "speak TLS with the brokers")
	login := flags.String("sasl", "", "log in by this `mechanism`: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512")
	username := flags.String("username", "", "`name` for the login")
	passwordFile := flags.String("password-file", "", "`file` that holds the password for the login")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case *campaign == "" || flags.NArg() > 0:
		fmt.Fprintln(stderr, "say which campaign: --campaign ID (--help shows examples)")
		return 2
	}
	password, err := readPassword(*passwordFile)
	if err != nil {
		fmt.Fprintln(stderr, "reading the password:", err)
		return 2
	}
	sub, err := kafka.NewSubscriber(kafka.Config{
		Brokers: strings.Split(*brokers, ","),
		// What this program knows it keeps in memory, so it begins anew each
		// time, in a group that nobody else is in. A program that keeps what it
		// knows has one group for good.
		Group: "waybill-campaign-" + rand.Text(),
		TLS:   *tls, SASLMechanism: *login, Username: *username, Password: password,
		Log: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	defer sub.Close()
	return watch(ctx, sub, status.Options{Org: *org, Campaign: *campaign}, stdout, stderr)
}

// watch shows the campaign's snapshots until one says that it is complete.
func watch(ctx context.Context, sub message.Subscriber, opts status.Options, stdout, stderr io.Writer) int {
	opts.Foreign = func(_ *message.Message, err error) { fmt.Fprintln(stderr, "left out:", err) }
	running, stop := context.WithCancel(ctx)
	defer stop()
	show, complete := newDisplay(stdout), false
	show.waiting(opts.Campaign)
	err := status.New(sub, opts).Campaigns(running, func(_ context.Context, c status.Campaign) error {
		show.progress(&c)
		if c.CompletedAt != nil {
			complete = true
			stop() // ends Campaigns
		}
		return nil
	})
	show.end()
	switch {
	case err != nil:
		fmt.Fprintln(stderr, err)
		return 1
	case !complete:
		fmt.Fprintln(stderr, "interrupted; the campaign is not complete")
		return 130
	}
	return 0
}

func readPassword(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	b, err := os.ReadFile(file)
	return strings.TrimRight(string(b), "\r\n"), err
}
