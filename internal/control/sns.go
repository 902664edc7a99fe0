package control

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go"

	"waybill/internal/fault"
)

// SNS confirms subscriptions by SNS's ConfirmSubscription, in the region that
// the topic's ARN names. Subscriptions that were confirmed with credentials can
// be ended with credentials alone. It is safe for concurrent use.
type SNS struct {
	log    *slog.Logger
	change []func(*sns.Options)
	now    func() time.Time

	mu     sync.Mutex
	client *sns.Client // nil until something is to be confirmed
	signed bool
	until  time.Time // when credentials are looked for again; zero = never
}

var _ Confirmer = (*SNS)(nil)

// NewSNS returns a confirmer that signs with the credentials of AWS's own
// default chain (its environment variables, files and roles), or calls without
// any where there are none, which AWS allows. They are looked for when the first
// subscription is to be confirmed: a process that has none to confirm asks AWS
// nothing. Credentials that are set and cannot be had make a confirmation wait.
func NewSNS(log *slog.Logger, change ...func(*sns.Options)) *SNS {
	return &SNS{log: log, change: change, now: time.Now}
}

// NewSNSWith returns a confirmer that signs with the given credentials, or calls
// without any if they are nil.
func NewSNSWith(credentials aws.CredentialsProvider, change ...func(*sns.Options)) *SNS {
	s := &SNS{change: change}
	s.connect(aws.Config{HTTPClient: brief(), Credentials: credentials})
	return s
}

func (s *SNS) connect(cfg aws.Config) {
	s.signed = cfg.Credentials != nil
	if !s.signed {
		cfg.Credentials = aws.AnonymousCredentials{}
	}
	patient := func(o *sns.Options) { o.Retryer = aws.NopRetryer{} } // whoever asks tries again
	s.client = sns.NewFromConfig(cfg, append([]func(*sns.Options){patient}, s.change...)...)
}

// brief is an HTTP client that leaves no connection behind: there is something
// to confirm once in a while.
func brief() aws.HTTPClient {
	return awshttp.NewBuildableClient().WithTimeout(attemptTimeout).WithTransportOptions(func(t *http.Transport) { t.DisableKeepAlives = true })
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
	client, signed, err := s.find(ctx)
	if err != nil {
		return err
	}
	in := &sns.ConfirmSubscriptionInput{TopicArn: &topicARN, Token: &token}
	if signed {
		in.AuthenticateOnUnsubscribe = aws.String("true")
	}
	_, err = client.ConfirmSubscription(ctx, in, func(o *sns.Options) { o.Region = regionOf(topicARN) })
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
