package control

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"waybill/internal/fault"
)

const (
	// credentialsTimeout bounds the search for credentials, which asks addresses
	// that only exist on AWS.
	credentialsTimeout = 3 * time.Second

	// lookAgain is how long subscriptions are confirmed without credentials
	// before they are looked for again: a machine that seems to have none may be
	// given a role, and an address that does not answer may be AWS's all the same.
	lookAgain = 5 * time.Minute
)

// find returns the client, and whether it signs. Its error is Unavailable, and
// the next confirmation looks again: ctx ended the search, or somebody set
// credentials that cannot be had.
func (s *SNS) find(ctx context.Context) (client *sns.Client, signed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil && (s.until.IsZero() || s.now().Before(s.until)) {
		return s.client, s.signed, nil
	}
	looking, cancel := context.WithTimeout(ctx, credentialsTimeout)
	defer cancel()
	cfg, err := search(looking)
	switch {
	case ctx.Err() != nil:
		return nil, false, fault.Wrap(fault.Unavailable, "sns_unreachable", ctx.Err())
	case err != nil:
		return nil, false, err
	case cfg.Credentials != nil:
		s.until = time.Time{}
	default:
		if s.until.IsZero() { // once, not every time
			s.log.Warn("no AWS credentials are found, subscriptions are confirmed without: whoever knows one may end it", "look_again_seconds", lookAgain.Seconds())
		}
		s.until = s.now().Add(lookAgain)
	}
	s.connect(cfg)
	return s.client, s.signed, nil
}

// search returns AWS's own configuration, with no credentials if there seem to
// be none.
func search(ctx context.Context) (aws.Config, error) {
	// The region of each call is its topic's; without any the clients of the
	// chain could not be made.
	cfg, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithDefaultRegion("us-east-1"),
		awsconfig.WithHTTPClient(brief()), awsconfig.WithLogger(logging.Nop{}),
		awsconfig.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} })) // a search that its pauses use up would not say what failed
	if err != nil {
		return cfg, fault.Wrap(fault.Unavailable, "aws_configuration_unreadable", err)
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		if someAreSet(cfg.Credentials, err) { // the error's text may quote an answer
			return cfg, fault.New(fault.Unavailable, "aws_credentials_unavailable")
		}
		cfg.Credentials = nil
	}
	return cfg, nil
}

// someAreSet tells whether the chain failed to get credentials that exist. It
// ends with the instance's metadata service, which it asks when nothing else is
// set. That one is off, unreachable, forbidden or knows no role where there are
// no credentials; an error of its own, or one about a role, is a failure.
func someAreSet(chain aws.CredentialsProvider, err error) bool {
	from, ok := chain.(aws.CredentialProviderSource)
	if ok && !slices.Equal(from.ProviderSources(), []aws.CredentialSource{aws.CredentialSourceIMDS}) {
		return true
	}
	var answer interface{ HTTPStatusCode() int }
	if errors.As(err, &answer) {
		status := answer.HTTPStatusCode()
		return status >= http.StatusInternalServerError || status == http.StatusTooManyRequests
	}
	var role *smithy.GenericAPIError
	return errors.As(err, &role)
}
