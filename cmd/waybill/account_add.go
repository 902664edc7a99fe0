package main

import (
	"fmt"
	"io"

	"waybill/internal/operate"
	"waybill/internal/tenants"
)

type accountAddCmd struct {
	Twilio  addTwilioCmd  `cmd:"" help:"A Twilio account or subaccount."`
	SNS     addSNSCmd     `cmd:"" name:"sns" help:"An SNS topic that carries events of SES or Amazon Connect."`
	Connect addConnectCmd `cmd:"" help:"An Amazon Connect instance with keys of its own."`
	Stripe  addStripeCmd  `cmd:"" help:"A Stripe webhook endpoint."`
}

// signsForFlags say for whom an account signs.
type signsForFlags struct {
	Org      []string `placeholder:"UUID" help:"An organisation that the account signs for; repeat it for several."`
	Platform bool     `help:"The account signs for every organisation."`
}

type addTwilioCmd struct {
	signsForFlags

	SID       string `name:"sid" required:"" placeholder:"AC..." help:"The account's SID."`
	Token     string `name:"auth-token-file" placeholder:"FILE" help:"File with the auth token; - for standard input."`
	KeyID     string `name:"shared-key-id" placeholder:"webhooks_sharedkey_..." help:"Id of a shared key that signs in the auth token's place."`
	Key       string `name:"shared-key-file" placeholder:"FILE" help:"File with the shared key; - for standard input."`
	Algorithm string `name:"shared-key-algorithm" default:"HMAC_SHA256" enum:"HMAC_SHA256,HMAC_SHA1" help:"What the shared key signs with: ${enum}."`
}

// Help gives examples.
func (addTwilioCmd) Help() string {
	return `Repeat it to rotate: every token that was added is accepted until it is removed. A subaccount has a token of its own.
Needs WAYBILL_SECRET_KEY, under which the token is sealed.

A shared key of Twilio's webhooks configuration signs in place of the auth token, which then need not be entered at all. It only
counts for requests that name it, and the token only for those that name none; the algorithm is the one that is entered here,
whatever a request says. Have it sign every webhook of the account before the token is removed.

An organisation that an account of this name never signed for counts from the beginning, also as the second one: what was
sent before the account was entered is its own too. One that it signed for before counts from now. See also account move.

Examples:

  waybill account add twilio --org 7b2e... --sid AC0123456789abcdef0123456789abcdef --auth-token-file token.txt
  waybill account add twilio --platform --sid AC0123456789abcdef0123456789abcdef --auth-token-file -
  waybill account add twilio --org 7b2e... --sid AC0123456789abcdef0123456789abcdef \
    --shared-key-id webhooks_sharedkey_01... --shared-key-file key.txt`
}

// Run enters a Twilio account.
func (c addTwilioCmd) Run(s *session) error {
	if (c.Key == "") != (c.KeyID == "") {
		return &operate.UsageError{What: "--shared-key-id and --shared-key-file go together"}
	}
	if c.Token == "" && c.Key == "" {
		return &operate.UsageError{What: "say what signs: --auth-token-file, or --shared-key-id and --shared-key-file"}
	}
	a := operate.Account{Provider: tenants.Twilio, Name: c.SID, Orgs: c.Org, Platform: c.Platform}
	if c.Token != "" {
		token, err := s.secretFile("--auth-token-file", c.Token)
		if err != nil {
			return err
		}
		a.Secrets = append(a.Secrets, operate.Secret{Value: token})
	}
	if c.Key != "" {
		key, err := s.secretFile("--shared-key-file", c.Key)
		if err != nil {
			return err
		}
		a.Secrets = append(a.Secrets, operate.Secret{KeyID: c.KeyID, Algorithm: c.Algorithm, Value: key})
	}
	return s.signUp(a)
}

type addSNSCmd struct {
	signsForFlags

	For      string `required:"" enum:"ses,connect" help:"Whose events the topic carries: ${enum}."`
	Topic    string `name:"topic-arn" required:"" placeholder:"ARN" help:"The topic."`
	Instance string `name:"instance-arn" placeholder:"ARN" help:"The Amazon Connect instance; with --for connect only."`
}

// Help gives examples.
func (addSNSCmd) Help() string {
	return `A valid AWS signature does not make a topic yours: only topics entered here are confirmed and accepted. Enter a topic before
you subscribe it, without raw message delivery: --for ses to /api/webhooks/email, --for connect to /api/webhooks/connect.

Examples:

  waybill account add sns --for ses --org 7b2e... --topic-arn arn:aws:sns:eu-central-1:123456789012:ses-events
  waybill account add sns --for connect --org 7b2e... --topic-arn arn:aws:sns:... --instance-arn arn:aws:connect:...`
}

// Run enters an SNS topic.
func (c addSNSCmd) Run(s *session) error {
	if c.For == "ses" {
		if c.Instance != "" {
			return &operate.UsageError{What: "--instance-arn goes with --for connect only"}
		}
		return s.signUp(operate.Account{Provider: tenants.SNS, Purpose: c.For, Name: c.Topic, Orgs: c.Org, Platform: c.Platform})
	}
	if c.Platform || len(c.Org) != 1 || c.Instance == "" {
		return &operate.UsageError{What: "--for connect needs one --org and --instance-arn: an instance belongs to one organisation"}
	}
	return s.signUp(operate.ConnectTopic(c.Topic, c.Instance, c.Org[0])...)
}

type addConnectCmd struct {
	Org      string `required:"" placeholder:"UUID" help:"The organisation that the instance belongs to."`
	Instance string `name:"instance-arn" required:"" placeholder:"ARN" help:"The instance."`
	APIKey   string `name:"api-key-file" placeholder:"FILE" help:"File with the key of an EventBridge API destination."`
	Firehose string `name:"firehose-key-file" placeholder:"FILE" help:"File with the access key of a Firehose HTTP endpoint."`
}

// Help gives examples.
func (addConnectCmd) Help() string {
	return `Repeat it to rotate: every key that was added is accepted until it is removed. An instance whose events come through an SNS
topic alone needs no key: see account add sns. Needs WAYBILL_SECRET_KEY, under which keys are sealed.

An API destination sends its key in the header X-Waybill-Api-Key to /api/webhooks/connect; a Firehose sends its access key to
/api/webhooks/connect/records.

Example:

  waybill account add connect --org 7b2e... --instance-arn arn:aws:connect:... --api-key-file key.txt
  waybill account add connect --org 7b2e... --instance-arn arn:aws:connect:... --firehose-key-file key.txt`
}

// Run enters an Amazon Connect instance.
func (c addConnectCmd) Run(s *session) error {
	a := operate.Account{Provider: tenants.Connect, Name: c.Instance, Orgs: []string{c.Org}}
	for _, f := range []struct{ flag, path, algorithm string }{
		{"--api-key-file", c.APIKey, tenants.AlgorithmAPIKey},
		{"--firehose-key-file", c.Firehose, tenants.AlgorithmFirehose},
	} {
		if f.path == "" {
			continue
		}
		value, err := s.secretFile(f.flag, f.path)
		if err != nil {
			return err
		}
		a.Secrets = append(a.Secrets, operate.Secret{Algorithm: f.algorithm, Value: value})
	}
	return s.signUp(a)
}

type addStripeCmd struct {
	Secret   string `name:"signing-secret-file" required:"" placeholder:"FILE" help:"File with the endpoint's signing secret (whsec_...); - for standard input."`
	Endpoint string `default:"default" help:"A name of your own for the endpoint."`
	Test     bool   `help:"The secret is one of test mode or of a sandbox: what it signs can never change live subscriptions."`
}

// Help gives examples.
func (addStripeCmd) Help() string {
	return `Repeat it to rotate: every secret that was added is accepted until it is removed.
Needs WAYBILL_SECRET_KEY, under which the secret is sealed.

Example:

  waybill account add stripe --signing-secret-file whsec.txt
  waybill account add stripe --signing-secret-file whsec_sandbox.txt --endpoint sandbox --test`
}

// Run enters a Stripe endpoint.
func (c addStripeCmd) Run(s *session) error {
	secret, err := s.secretFile("--signing-secret-file", c.Secret)
	if err != nil {
		return err
	}
	signing := operate.Secret{Value: secret}
	if c.Test {
		signing.Algorithm = tenants.AlgorithmTestMode
	}
	return s.signUp(operate.Account{Provider: tenants.Stripe, Name: c.Endpoint, Secrets: []operate.Secret{signing}})
}

// signUp enters accounts together and shows what became of each.
func (s *session) signUp(accounts ...operate.Account) error {
	needKey := false
	for i := range accounts {
		a := &accounts[i]
		if a.Platform && len(a.Orgs) > 0 {
			return &operate.UsageError{What: "either --org or --platform, not both"}
		}
		needKey = needKey || len(a.Secrets) > 0
	}
	return s.onboard(needKey, func(o *operate.Onboard) error {
		added, err := o.SignUp(s.ctx, accounts...)
		if err != nil {
			return err
		}
		return s.print(result(added), func(w io.Writer) {
			fmt.Fprintln(w, "ID\tPROVIDER\tNAME\tTOKENS ADDED\tEVENTS RELEASED")
			for _, a := range added {
				fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\n", a.ID, a.Provider, a.Name, a.Tokens, a.Released)
			}
		})
	})
}

// result is one account, or a list where a verb enters several.
func result(added []tenants.Added) any {
	if len(added) == 1 {
		return added[0]
	}
	return added
}
