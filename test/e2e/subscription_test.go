package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
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
