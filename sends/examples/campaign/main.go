// Command campaign sends one text to many numbers through Twilio and follows what
// becomes of it: an example of packages sends and status together.
//
// It exits with 0 when every message has come to an end, 1 when it cannot go on,
// 2 after wrong usage, 130 when it was interrupted. To begin again where a run
// was cut off is the work of a program with a database: this one keeps nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

const usage = `Send a text to the numbers on standard input, one a line, and follow what becomes of it.

Usage: campaign --org ID --account AC... --auth-token-file F --from N --public-url URL --text T [flags] < numbers

Example:
  go run ./sends/examples/campaign --org 7b2e... --account AC... --auth-token-file token --from +15550100001 \
      --public-url https://hooks.example.com --text 'We open at nine.' < numbers

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c := campaign{out: stdout, twilio: twilio{client: http.Client{Timeout: answerWithin}}}
	defer c.twilio.client.CloseIdleConnections()
	var brokers, tokenFile string
	flags := flag.NewFlagSet("campaign", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&brokers, "brokers", "127.0.0.1:9092", "addresses of Kafka `brokers`, separated by commas")
	flags.StringVar(&c.org, "org", "", "`id` of the organisation")
	flags.StringVar(&c.publicURL, "public-url", "", "`URL` under which Twilio reaches Waybill")
	flags.StringVar(&c.from, "from", "", "`number` that sends")
	flags.StringVar(&c.text, "text", "", "`text` to send")
	flags.StringVar(&c.twilio.account, "account", "", "`SID` of the Twilio account, AC...")
	flags.StringVar(&tokenFile, "auth-token-file", "", "`file` that holds its auth token")
	flags.StringVar(&c.twilio.url, "twilio", "https://api.twilio.com", "`URL` of Twilio's API")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case c.org == "" || c.publicURL == "" || c.from == "" || c.text == "" || c.twilio.account == "" || tokenFile == "" || flags.NArg() > 0:
		fmt.Fprintln(stderr, "--org, --account, --auth-token-file, --from, --public-url and --text are needed (--help shows an example)")
		return 2
	}
	token, err := os.ReadFile(tokenFile)
	if err != nil {
		fmt.Fprintln(stderr, "reading the auth token:", err)
		return 2
	}
	c.twilio.token = strings.TrimSpace(string(token))
	numbers, err := io.ReadAll(stdin)
	if err != nil {
		fmt.Fprintln(stderr, "reading the numbers:", err)
		return 1
	}
	switch err := c.run(ctx, strings.Split(brokers, ","), strings.Fields(string(numbers))); {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "interrupted; what was sent is followed by Waybill all the same")
		return 130
	case err != nil:
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}
