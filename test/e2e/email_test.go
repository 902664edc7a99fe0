package e2e_test

import (
	"math/rand/v2"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/facts"
	"waybill/internal/history"
	"waybill/internal/operate"
)

// Whatever order its events come in, before its send is recorded or after, and
// however often: an e-mail's rows say the same. One recipient's bounce takes
// nothing from the others.
func (a *amazon) playsAnyOrderOfAnEmail() {
	t := a.t
	const many, few = 12, 4
	p, campaign := a.emails(a.a.org), uuid.NewString()
	var mails []mail
	var scripts [][]func()
	for n := range many + few {
		m := a.newMail(3)
		if n >= many {
			m = a.newMail(1)
		}
		mails = append(mails, m)
		scripts = append(scripts, a.shuffled(p, m, campaign, uint64(n)))
	}
	for step := range scripts[0] { // all of the e-mails come along together
		for _, s := range scripts {
			if step < len(s) {
				s[step]()
			}
		}
	}
	for n, m := range mails {
		if n < many {
			a.settled(m.id, 8)
			a.toThree(m)
			require.Equal(t, a.mailRow(mails[0].id), a.mailRow(m.id))
			continue
		}
		a.settled(m.id, 4)
		r := a.row(m.id, "delivered")
		require.Equal(t, facts.Everything, r.Facts[facts.Unsubscribes])
		a.optsOut(a.a.org, m.ann())
		require.Equal(t, a.mailRow(mails[many].id), a.mailRow(m.id))
	}
	numbers := a.numbers(campaign, a.a.org)
	require.Equal(t, map[string]int64{"bounced_permanent": many, "delivered": few}, numbers.Counters)
	require.Equal(t, map[string]int64{"sent": many + few, "delivered": many + few, "bounced_permanent": many}, numbers.Reached)
	require.Empty(t, a.heldOf(idsOf(mails)))
}

func idsOf(mails []mail) (ids []string) {
	for _, m := range mails {
		ids = append(ids, m.id)
	}
	return ids
}

// shuffled returns what happens to an e-mail in an order of its own: its events,
// one of them twice, and the record of its send.
func (a *amazon) shuffled(p topic, m mail, campaign string, seed uint64) []func() {
	said := []string{m.event("Send", 0, nil), m.delivered(2, m.to...), m.unsubscribed(9)}
	if len(m.to) == 3 {
		said = []string{
			m.event("Send", 0, nil), m.delivered(2, m.ann(), m.bob()), m.delivered(3, m.cem()),
			m.bounced(60, "Permanent", "General", "5.1.1", m.bob()), m.complained(50, m.ann()),
			m.event("Open", 10, nil), m.event("Click", 11, map[string]any{"link": "https://example.com/" + m.ann()}),
		}
	}
	steps := []func(){func() { a.mails(a.a, m, events.Send{ProviderID: m.id, CampaignID: campaign}) }}
	for _, text := range said {
		r := p.says(text)
		steps = append(steps, func() { a.posts(r) })
	}
	steps = append(steps, steps[len(steps)-1]) // SNS had no answer and tries again
	random := rand.New(rand.NewPCG(seed, 17))
	random.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
	return steps
}

// toThree requires what became of an e-mail to ann, bob and cem.
func (a *amazon) toThree(m mail) {
	t := a.t
	t.Helper()
	r := a.row(m.id, "bounced_permanent")
	require.Equal(t, history.EmailMessage, r.Kind)
	require.Equal(t, a.a.org, string(r.Org))
	require.Equal(t, "5.1.1", r.ErrorCode)
	require.Equal(t, mailedAt.Add(time.Minute), r.OccurredAt.UTC())
	became, ids := map[string]string{}, map[string]string{}
	for _, one := range r.Facts["recipients"].([]history.Recipient) {
		became[one.Address] = strings.TrimSpace(one.Status + " " + one.ErrorCode)
		ids[one.ID] = one.Status
	}
	require.Equal(t, map[string]string{m.ann(): "delivered", m.bob(): "bounced_permanent 5.1.1", m.cem(): "delivered"}, became)
	for _, fact := range []string{facts.Opens, facts.Clicks} {
		tally := r.Facts[fact].(history.Tally)
		require.EqualValues(t, 1, tally.Count, fact)
		require.Equal(t, tally.First, tally.Last)
	}
	require.Equal(t, "abuse", r.Facts[facts.Complaints])
	a.optsOut(a.a.org, m.ann(), m.bob())
	require.Empty(t, a.story(m.cem()).Consents)
	a.event(m.id, func(e *history.Event) bool { return e.Duplicates == 1 })

	told := a.story(m.id).StatusEvents
	require.Len(t, told, int(r.Version), "one for each transition")
	for i, s := range told {
		require.EqualValues(t, i+1, s.Version)
		require.Equal(t, m.id, s.ProviderID)
		for _, one := range s.Recipients {
			require.Contains(t, ids, one.ID)
		}
	}
	last := map[string]string{}
	for _, one := range told[len(told)-1].Recipients {
		last[one.ID] = one.Status
	}
	require.Equal(t, ids, last, "the last one says what the rows say")
}

// An event that comes before its send is recorded waits for it, and one that
// brings back our own id does not.
func (a *amazon) playsAnEarlyEmail() {
	t := a.t
	p, early := a.emails(a.a.org), a.newMail(1)
	a.posts(p.says(early.bounced(5, "Permanent", "NoEmail", "", early.ann())))
	e := a.event(early.id, func(e *history.Event) bool { return e.Outcome == events.Parked })
	require.Equal(t, "no_mapping", e.Reason)
	require.Equal(t, p.arn, e.VerifiedAs)

	story := tells[operate.Story](a, "trace", early.id)
	require.True(t, story.Found)
	require.Nil(t, story.Resource)
	require.Len(t, story.Events, 1)
	held := tells[[]history.Held](a, "held", "list", "--state", "parked", "--provider", "ses", "--key", early.id)
	require.Len(t, held, 1)
	require.Equal(t, []any{e.ID, "no_mapping", "resource=ses:" + early.id}, []any{held[0].ID, held[0].Reason, held[0].Key})

	a.mails(a.a, early, events.Send{ProviderID: early.id})
	require.Equal(t, "no_email", a.row(early.id, "bounced_permanent").ErrorCode)
	e = a.event(early.id, func(e *history.Event) bool { return e.Outcome == events.Applied && e.Type == string(events.KindEmail) })
	require.Equal(t, "resource", e.ResolvedBy)

	echoed := a.newMail(1)
	echoed.echo = uuid.NewString()
	a.mails(a.a, echoed, events.Send{MessageID: echoed.echo})
	a.row(echoed.echo, "intended")
	a.posts(p.says(echoed.delivered(2, echoed.ann())))
	r := a.row(echoed.id, "delivered")
	require.Equal(t, echoed.echo, r.ID)
	require.Empty(t, a.heldOf([]string{early.id, echoed.id}))

	story = tells[operate.Story](a, "trace", echoed.id)
	require.Equal(t, history.EmailMessage, story.Resource.Kind)
	require.Equal(t, []any{map[string]any{"id": story.Resource.Facts["recipients"].([]any)[0].(map[string]any)["id"], "address": echoed.ann(), "status": "delivered"}},
		story.Resource.Facts["recipients"])
	require.Len(t, story.StatusEvents[len(story.StatusEvents)-1].Recipients, 1)
}

// A topic of one organisation that carries another's e-mail is held, and changes
// nothing; the other's own topic is heard.
func (a *amazon) playsForeignEmails() {
	t := a.t
	mine, theirs, m := a.emails(a.a.org), a.emails(a.b.org), a.newMail(1)
	a.mails(a.b, m, events.Send{ProviderID: m.id})
	row := a.row(m.id, "sent")
	a.posts(mine.says(m.bounced(5, "Permanent", "NoEmail", "5.1.1", m.ann())))
	e := a.event(m.id, func(e *history.Event) bool { return e.Outcome == events.Quarantined })
	require.Equal(t, "signer_not_entitled", e.Reason)
	require.Equal(t, mine.arn, e.VerifiedAs)
	require.Equal(t, row, a.row(m.id, "sent"), "not even its version moves")
	require.Empty(t, a.story(m.ann()).Consents)
	held := tells[[]history.Held](a, "held", "list", "--state", "quarantined", "--key", m.id)
	require.Len(t, held, 1)
	require.Equal(t, e.ID, held[0].ID)

	a.posts(theirs.says(m.delivered(3, m.ann())))
	require.Equal(t, a.b.org, string(a.row(m.id, "delivered").Org))
	require.Len(t, a.heldOf([]string{m.id, mine.arn}), 1, "it stays for an operator to see")
}

// A topic of the whole platform carries everybody's e-mails.
func (a *amazon) playsThePlatformsTopic() {
	p := a.emails()
	for _, by := range []tenant{a.a, a.b} {
		m := a.newMail(1)
		a.mails(by, m, events.Send{ProviderID: m.id})
		a.posts(p.says(m.delivered(2, m.ann())), p.says(m.complained(9, m.ann())))
		a.settled(m.id, 3)
		require.Equal(a.t, by.org, string(a.row(m.id, "delivered").Org))
		a.optsOut(by.org, m.ann())
		require.Len(a.t, a.story(m.ann()).Consents, 1, "no other organisation hears of it")
	}
}
