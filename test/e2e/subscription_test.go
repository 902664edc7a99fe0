package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/operate"
	"waybill/internal/simulate"
)

// A registered topic's wish to be confirmed is granted, and nothing else that a
// topic says of its subscription makes anybody call AWS.
func (a *amazon) playsSubscriptions() {
	t := a.t
	p, stranger := a.emails(a.a.org), a.newTopic(emailPath)
	before := a.sns.of(p.arn)
	for _, form := range before {
		require.Equal(t, url.Values{
			"Action": {"ConfirmSubscription"}, "Version": {"2010-03-31"}, "TopicArn": {p.arn}, "Token": {before[0].Get("Token")},
		}, form)
	}

	r, _ := stranger.control("SubscriptionConfirmation", a.id("token"), stranger.arn)
	a.call(r, http.StatusForbidden)

	const ended = `waybill_router_topics_unsubscribed_total{provider="ses"}`
	counted := a.figures("waybill_router_topics_unsubscribed_total")[ended]
	unwanted := a.id("token")
	goodbye, goodbyeID := p.control("UnsubscribeConfirmation", unwanted, p.arn)
	a.posts(goodbye)
	a.ignored(goodbyeID, 0)
	require.InDelta(t, counted+1, a.figures("waybill_router_topics_unsubscribed_total")[ended], 0, "an operator is told")

	// It is subscribed again: what a topic says keeps its order all the way, so
	// by now AWS would have been asked for what was said before.
	token := a.id("token")
	again, againID := p.control("SubscriptionConfirmation", token, p.arn)
	a.posts(again)
	a.ignored(againID, 0)
	a.confirmed(p, token)
	a.posts(again) // SNS had no answer and tries again
	a.ignored(againID, 1)
	for _, form := range a.sns.of(p.arn) {
		require.NotEqual(t, unwanted, form.Get("Token"))
	}
	require.Empty(t, a.sns.of(stranger.arn))
	require.Empty(t, a.heldOf([]string{p.arn, stranger.arn}))
}

// ignored waits until an event of no organisation is final, and came again so
// many times.
func (a *amazon) ignored(id events.EventID, repeats int) {
	a.t.Helper()
	a.until(func() error {
		var outcome string
		var again int
		err := a.sql.QueryRow(a.t.Context(), `SELECT outcome, (SELECT count(*) FROM event_duplicates d WHERE d.event_id = e.event_id)
			FROM event_ids e WHERE event_id = $1 AND org_id IS NULL`, string(id)).Scan(&outcome, &again)
		if err == nil && (outcome != string(events.Ignored) || again != repeats) {
			err = fmt.Errorf("%s is %s and came again %d times", id, outcome, again)
		}
		return err
	})
}

// The doctor finds the set-up sound, and says of a saved request why it is refused.
func (a *amazon) playsTheDoctor() {
	t := a.t
	p, m := a.emails(a.a.org), a.newMail(1)
	c, _ := a.contactCentre()
	found := tells[operate.Diagnosis](a, "doctor", "--profile", "embedded")
	require.True(t, found.OK, "%+v", found.Checks)

	verified, refused := operate.VerdictVerifies, operate.VerdictRefused
	misused := c
	misused.apiKey = c.firehoseKey
	for _, saved := range []struct {
		request         simulate.Request
		verdict, reason string
	}{
		{p.says(m.event("Send", 0, nil)), verified, ""},
		{a.newTopic(emailPath).says(m.event("Send", 0, nil)), refused, "unknown_topic"},
		{topic{t, p.arn, contactPath}.says(m.event("Send", 0, nil)), refused, "unknown_topic"},
		{c.event("{}"), verified, ""},
		{misused.event("{}"), refused, "bad_key"},
		{c.delivery(), verified, ""},
	} {
		path := filepath.Join(t.TempDir(), "request.http")
		require.NoError(t, os.WriteFile(path, onTheWire(saved.request), 0o600))
		e := tells[operate.Explanation](a, "doctor", "request", path)
		require.Equal(t, []string{saved.verdict, saved.reason}, []string{e.Verdict, e.Reason}, "%+v", e)
	}
}

// onTheWire is a request as a proxy would save it.
func onTheWire(r simulate.Request) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: hooks.example.com\r\nContent-Length: %d\r\n", r.Method, r.Path, len(r.Body))
	_ = r.Header.Write(&b) // a Builder never fails
	return append([]byte(b.String()+"\r\n"), r.Body...)
}
