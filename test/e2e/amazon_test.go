package e2e_test

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/operate"
	"waybill/internal/provider/providertest"
	"waybill/internal/simulate"
	"waybill/internal/tenants"
	"waybill/internal/testkit"
)

const (
	emailPath   = "/api/webhooks/email"
	contactPath = "/api/webhooks/connect"
)

// amazon is a Waybill of its own, and the AWS around it: topics that sign as SNS
// does, and an SNS that is asked to confirm their subscriptions.
type amazon struct {
	*house

	sns   *confirmations
	certs string // folder of the certificate that topics sign with
}

// openAmazon starts one. What more names stands in the environment of each process.
func openAmazon(t *testing.T, more ...string) *amazon {
	t.Helper()
	certs := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(certs, providertest.SNSCertFile), providertest.SNSCertificate(t, time.Now(), nil), 0o600))
	s := &confirmations{asked: map[string][]url.Values{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	more = append(more, "WAYBILL_SNS_CERT_DIR="+certs, "AWS_ENDPOINT_URL_SNS="+server.URL, "AWS_EC2_METADATA_DISABLED=true")
	return &amazon{apart(t, more...), s, certs}
}

// as returns the same Waybill as a test beside others sees it.
func (a *amazon) as(t *testing.T) *amazon {
	t.Helper()
	b := make([]byte, 14)
	_, _ = rand.Read(b) // never fails
	h := *a.house
	h.t, h.random, h.ids = t, hex.EncodeToString(b), 0
	return &amazon{&h, a.sns, a.certs}
}

// balances requires that everything that was received has an outcome, that the
// campaigns' numbers are those of their rows, and that every record on the log is
// as the contract says.
func (a *amazon) balances() {
	a.t.Helper()
	audit := &operate.Audit{Ledger: a.inspect, Log: a.kafka}
	require.NoError(a.t, audit.Wait(a.t.Context(), patience))
	b, err := audit.Run(a.t.Context(), time.Time{})
	require.NoError(a.t, err)
	require.True(a.t, b.Balanced, "%+v", b)
	require.Zero(a.t, b.InFlight)
	require.Positive(a.t, b.Receipts)
	a.keepsTheContract()
}

// confirmations is SNS as far as it confirms: it answers every call that it has
// done so, and keeps what it was asked, by topic. It is safe for concurrent use.
type confirmations struct {
	mu    sync.Mutex
	asked map[string][]url.Values
}

func (c *confirmations) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	topic := r.PostForm.Get("TopicArn")
	c.asked[topic] = append(c.asked[topic], r.PostForm)
	_, _ = fmt.Fprintf(w, `<ConfirmSubscriptionResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><ConfirmSubscriptionResult>`+
		`<SubscriptionArn>%s:1</SubscriptionArn></ConfirmSubscriptionResult></ConfirmSubscriptionResponse>`, topic)
}

// of returns the tokens of a topic that it was asked to confirm.
func (c *confirmations) of(topicARN string) []url.Values {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]url.Values(nil), c.asked[topicARN]...)
}

// topic is an SNS topic with a subscription to one of our paths.
type topic struct {
	t         *testing.T
	arn, path string
}

// newTopic returns a topic that nobody has registered.
func (a *amazon) newTopic(path string) topic {
	return topic{a.t, "arn:aws:sns:eu-west-1:123456789012:" + a.id("topic-"), path}
}

// deliver is what SNS sends: the same each time that it tries again.
func (p topic) deliver(e providertest.Envelope) simulate.Request {
	p.t.Helper()
	typ, _ := e["Type"].(string)
	id, _ := e["MessageId"].(string)
	return simulate.Request{
		Method: http.MethodPost, Path: p.path, Body: e.Signed(p.t, providertest.SNSKey()).Body(p.t), Header: http.Header{
			"Content-Type": {"text/plain; charset=UTF-8"}, "X-Amz-Sns-Message-Type": {typ},
			"X-Amz-Sns-Message-Id": {id}, "X-Amz-Sns-Topic-Arn": {p.arn},
		},
	}
}

// says is the delivery of a message that was published on the topic.
func (p topic) says(message string) simulate.Request {
	p.t.Helper()
	return p.deliver(providertest.SNSNotification(p.arn, message, time.Now()).With("MessageId", uuid.NewString()))
}

// control is a topic's word about its own subscription, with the event id that it
// has where the verified signer is known by a name.
func (p topic) control(typ, token string, signer string) (simulate.Request, events.EventID) {
	p.t.Helper()
	provider, id := events.SES, uuid.NewString()
	if p.path == contactPath {
		provider = events.Connect
	}
	e := providertest.SNSConfirmation(typ, p.arn, time.Now()).With("MessageId", id, "Token", token)
	return p.deliver(e), events.NewEventID(provider, signer, events.KindTopic, id)
}

// emails registers a topic of SES's for organisations, or for everybody's if none
// is named, and returns it once its subscription was confirmed.
func (a *amazon) emails(orgs ...string) topic {
	a.t.Helper()
	p := a.newTopic(emailPath)
	a.subscribe(p, operate.Account{Provider: tenants.SNS, Purpose: "ses", Name: p.arn, Orgs: orgs, Platform: len(orgs) == 0})
	return p
}

// subscribe registers accounts and lets a topic ask for its confirmation, as SNS
// does until it is answered.
func (a *amazon) subscribe(p topic, accounts ...operate.Account) {
	a.t.Helper()
	_, err := a.onboard.SignUp(a.t.Context(), accounts...)
	require.NoError(a.t, err)
	token := a.id("token")
	r, _ := p.control("SubscriptionConfirmation", token, p.arn)
	a.until(func() error { // until ingest has heard of it
		got, err := a.client.Do(a.t.Context(), &r)
		if err == nil && got != http.StatusOK {
			err = fmt.Errorf("the topic is answered %d", got)
		}
		return err
	})
	a.confirmed(p, token)
}

// confirmed waits until SNS was asked to confirm a topic's subscription.
func (a *amazon) confirmed(p topic, token string) {
	a.t.Helper()
	a.until(func() error {
		for _, form := range a.sns.of(p.arn) {
			if form.Get("Token") == token {
				return nil
			}
		}
		return fmt.Errorf("SNS was asked for %v alone", a.sns.of(p.arn))
	})
}

// tells runs the operators' command and returns what it prints as JSON.
func tells[T any](a *amazon, args ...string) T {
	a.t.Helper()
	env := []string{
		"WAYBILL_DATABASE_URL=" + a.ready.DatabaseURL, "WAYBILL_KAFKA_BROKERS=" + a.ready.KafkaBrokers,
		"WAYBILL_SECRET_KEY=" + string(a.ready.SecretKey), "WAYBILL_SNS_CERT_DIR=" + a.certs,
	}
	p := testkit.Start(a.t, "waybill", env, append(args, "--json")...)
	require.Zero(a.t, p.Status(patience))
	return testkit.Result[T](p, patience)
}

// What Amazon sends goes the whole way through the processes that production
// runs: e-mails, contacts, and topics' words about themselves, all at once.
func TestAmazon(t *testing.T) {
	t.Parallel()
	a := openAmazon(t)
	t.Run("at once", func(t *testing.T) {
		for name, play := range map[string]func(*amazon){
			"any order of an e-mail ends the same":       (*amazon).playsAnyOrderOfAnEmail,
			"early events wait for their send":           (*amazon).playsAnEarlyEmail,
			"a topic speaks for its organisation":        (*amazon).playsForeignEmails,
			"a topic of the platform speaks for all":     (*amazon).playsThePlatformsTopic,
			"a subscription is confirmed, and ended":     (*amazon).playsSubscriptions,
			"any order of a contact ends the same":       (*amazon).playsAnyOrderOfAContact,
			"nobody answers, until somebody did":         (*amazon).playsAnUnansweredContact,
			"a delivery of good and bad, and once again": (*amazon).playsADeliveryOfEverySort,
			"an operator asks why":                       (*amazon).playsTheDoctor,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				play(a.as(t))
			})
		}
	})
	a.balances()
}
