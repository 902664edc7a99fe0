package control

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"waybill/internal/fault"
)

// SNS confirms subscriptions by SNS's ConfirmSubscription, in the region that
// the topic's ARN names. Subscriptions that were confirmed with credentials can
// be ended with credentials alone. It is safe for concurrent use.
type SNS struct {
	client *sns.Client
	signed bool
}

var _ Confirmer = (*SNS)(nil)

// credentialsTimeout bounds the search for credentials, which asks addresses
// that only exist on AWS.
const credentialsTimeout = 3 * time.Second

// onceEach returns a client that opens a connection for each call, and none
// outlives its answer: calls are rare, and a process that ends leaves nothing
// behind.
func onceEach() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.DisableKeepAlives = true })
}

// NewSNS returns a confirmer that signs with the credentials of AWS's own
// default chain (its environment variables, files and roles), or calls without
// any where there are none, which AWS allows. They are looked for once.
func NewSNS(ctx context.Context, log *slog.Logger, change ...func(*sns.Options)) *SNS {
	looking, cancel := context.WithTimeout(ctx, credentialsTimeout)
	defer cancel()
	// The region of each call is its topic's; without any the clients of the
	// chain could not be made.
	cfg, err := awsconfig.LoadDefaultConfig(looking, awsconfig.WithDefaultRegion("us-east-1"),
		awsconfig.WithHTTPClient(onceEach()), awsconfig.WithLogger(logging.Nop{})) // it would write lines of its own beside the log
	if err != nil {
		log.Warn("AWS's own configuration cannot be read, it is not used", "error", err)
	}
	if cfg.Credentials != nil {
		if _, err := cfg.Credentials.Retrieve(looking); err == nil {
			return newSNS(cfg, true, change)
		}
	}
	log.Info("no AWS credentials are found, subscriptions are confirmed without")
	cfg.Credentials = aws.AnonymousCredentials{}
	return newSNS(cfg, false, change)
}

// NewSNSWith returns a confirmer that signs with the given credentials, or calls
// without any if they are nil.
func NewSNSWith(credentials aws.CredentialsProvider, change ...func(*sns.Options)) *SNS {
	if credentials == nil {
		return newSNS(aws.Config{HTTPClient: onceEach(), Credentials: aws.AnonymousCredentials{}}, false, change)
	}
	return newSNS(aws.Config{HTTPClient: onceEach(), Credentials: credentials}, true, change)
}

func newSNS(cfg aws.Config, signed bool, change []func(*sns.Options)) *SNS {
	patient := func(o *sns.Options) { o.Retryer = aws.NopRetryer{} } // whoever asks tries again
	return &SNS{sns.NewFromConfig(cfg, append([]func(*sns.Options){patient}, change...)...), signed}
}

// Reasons for which a confirmation can never work.
const (
	reasonParameter    = "invalid_parameter"   // the token is none, or is three days old
	reasonNotFound     = "topic_not_found"     // the topic is gone
	reasonUnauthorized = "authorization_error" // who asks may not
)

// Reasons returns the closed set of reasons for which a confirmation can never work.
func Reasons() []string { return []string{reasonParameter, reasonNotFound, reasonUnauthorized} }

// hopelessCodes are SNS's words for them. Any other answer may be another one
// tomorrow: throttling, a clock or credentials that are wrong.
var hopelessCodes = map[string]string{
	"InvalidParameter":   reasonParameter,
	"NotFound":           reasonNotFound,
	"AuthorizationError": reasonUnauthorized,
}

// Confirm implements [Confirmer]. What AWS says is not repeated but for its
// code: its texts may quote what they were asked.
func (s *SNS) Confirm(ctx context.Context, topicARN, token string) error {
	in := &sns.ConfirmSubscriptionInput{TopicArn: &topicARN, Token: &token}
	if s.signed {
		in.AuthenticateOnUnsubscribe = aws.String("true")
	}
	_, err := s.client.ConfirmSubscription(ctx, in, func(o *sns.Options) { o.Region = regionOf(topicARN) })
	var said smithy.APIError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &said):
		return fault.New(fault.Unavailable, "sns_unreachable")
	case hopelessCodes[said.ErrorCode()] != "":
		return fault.New(fault.Invalid, hopelessCodes[said.ErrorCode()])
	}
	return fault.New(fault.Unavailable, "sns_refused")
}

// regionOf returns the region of a topic's ARN, arn:PARTITION:sns:REGION:ACCOUNT:NAME.
func regionOf(topicARN string) string {
	parts := strings.SplitN(topicARN, ":", 6)
	if len(parts) < 6 {
		return ""
	}
	return parts[3]
}
