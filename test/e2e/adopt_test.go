package e2e_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/operate"
)

// An e-mail that nobody recorded becomes a row of the one organisation whose topic
// or identity it came by, once it has waited for its send. A send that comes after
// all fills the row in.
func TestAnEmailThatNobodyRecordedIsAdopted(t *testing.T) {
	t.Parallel()
	a := openAmazon(t, "WAYBILL_ADOPT_AFTER=1s")
	mine, everybodys := a.emails(a.a.org), a.emails()
	byTopic, byIdentity, nobodys := a.newMail(1), a.newMail(1), a.newMail(1)
	byIdentity.from = "News@Juniper.Example.com"
	_, err := a.onboard.PlaceSender(t.Context(), operate.Sender{Value: "news@juniper.example.COM", Org: a.b.org})
	require.NoError(t, err)
	a.posts(
		everybodys.says(nobodys.delivered(2, nobodys.ann())), everybodys.says(byIdentity.delivered(2, byIdentity.ann())),
		mine.says(byTopic.delivered(2, byTopic.ann())), mine.says(byTopic.complained(9, byTopic.ann())),
	)
	for id, want := range map[string][]string{byTopic.id: {a.a.org, "account"}, byIdentity.id: {a.b.org, "sender"}} {
		r := a.row(id, "delivered")
		require.Equal(t, []string{want[0], events.OriginExternal, ""}, []string{string(r.Org), r.Origin, r.CampaignID})
		a.event(id, func(e *history.Event) bool { return e.Outcome == events.Applied && e.ResolvedBy == want[1] })
	}
	a.settled(byTopic.id, 2)
	a.event(nobodys.id, func(e *history.Event) bool { return e.Outcome == events.Parked })

	adopted, campaign, message := a.row(byTopic.id, "delivered"), uuid.NewString(), uuid.NewString()
	a.mails(a.a, byTopic, events.Send{ProviderID: byTopic.id, MessageID: message, CampaignID: campaign})
	a.settled(byTopic.id, 3)
	r := a.row(byTopic.id, "delivered")
	require.Equal(t, []string{adopted.ID, message, campaign}, []string{r.ID, r.MessageID, r.CampaignID}, "it keeps its id")
	require.Equal(t, map[string]int64{"delivered": 1}, a.numbers(campaign, a.a.org).Counters)
	a.optsOut(a.a.org, byTopic.ann())

	a.mails(a.b, nobodys, events.Send{ProviderID: nobodys.id})
	require.Equal(t, a.b.org, string(a.row(nobodys.id, "delivered").Org))
	a.balances()
}
