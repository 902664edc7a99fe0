package tenantmap_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/tenantmap"
)

// book is a source that counts the questions for each key; asked runs in each.
type book struct {
	facts     tenantmap.Facts
	questions int
	times     map[tenantmap.Key]int
	asked     func()
}

func (b *book) Lookup(ctx context.Context, keys []tenantmap.Key) (tenantmap.Facts, error) {
	b.questions++
	found := tenantmap.NewFacts(0)
	for _, k := range keys {
		b.times[k]++
		if m, ok := b.facts.Mappings[k]; ok {
			found.Mappings[k] = m
		}
		if s, ok := b.facts.Senders[k]; ok {
			found.Senders[k] = s
		}
		if c, ok := b.facts.Conversations[k]; ok {
			found.Conversations[k] = c
		}
		if a, ok := b.facts.Accounts[k]; ok {
			found.Accounts[k] = a
		}
	}
	if b.asked != nil {
		b.asked()
	}
	return found, ctx.Err()
}

// shelf is a cache over a book, with a clock of its own.
type shelf struct {
	*tenantmap.Cache
	*book
	now time.Time
	t   *testing.T
}

func newShelf(t *testing.T, f tenantmap.Facts) *shelf {
	t.Helper()
	s := &shelf{book: &book{facts: f, times: map[tenantmap.Key]int{}}, now: noon, t: t}
	s.Cache = tenantmap.NewCache(1<<20, s.book, func() time.Time { return s.now })
	return s
}

// resolve decides with what the cache says.
func (s *shelf) resolve(e tenantmap.Evidence) tenantmap.Decision {
	s.t.Helper()
	f, err := s.Facts(s.t.Context(), []*tenantmap.Evidence{&e})
	require.NoError(s.t, err)
	return tenantmap.Resolve(&e, &f)
}

func owned() tenantmap.Facts {
	return tenantmap.Facts{
		Mappings: mapped(known, orgA, rowA, before), Accounts: account(always(orgA)), Senders: held(number, always(orgA)),
	}
}

func TestKnownIDsAreAskedForOnce(t *testing.T) {
	t.Parallel()
	s := newShelf(t, owned())
	s.Confirm(1, s.now)
	e := status()
	e.Resources = []tenantmap.Key{known}
	for range 3 {
		require.Equal(t, goes(orgA, rowA, tenantmap.ByResource), bare(s.resolve(e)))
	}
	require.Equal(t, 1, s.questions, "both keys in one question")
	hits, asked := s.Counts()
	require.Equal(t, []int64{4, 2}, []int64{hits, asked})
	require.Equal(t, 2, s.Len())
	s.Clear()
	s.resolve(e)
	require.Equal(t, 2, s.times[known])
}

// The time at which a message was sent decides whether its signer was entitled:
// while it is not known it may become known.
func TestAnIDWithoutItsTimeIsAskedForAgain(t *testing.T) {
	t.Parallel()
	f := owned()
	f.Mappings = mapped(known, orgA, rowA, time.Time{})
	s := newShelf(t, f)
	s.resolve(status())
	s.resolve(status())
	require.Equal(t, 2, s.times[known])
}

// Who holds a sender is remembered while it is confirmed that nothing changed.
func TestHoldersAreConfirmed(t *testing.T) {
	t.Parallel()
	s := newShelf(t, tenantmap.Facts{Accounts: account(always(orgA), always(orgB)), Senders: held(number, always(orgA))})
	require.Equal(t, created(orgA, tenantmap.BySender), bare(s.resolve(inbound())))
	s.resolve(inbound())
	require.Equal(t, 2, s.times[number], "never confirmed, never kept")
	s.Confirm(1, s.now)
	s.resolve(inbound())
	s.resolve(inbound())
	require.Equal(t, 3, s.times[number])

	s.facts.Senders = held(number, always(orgB))
	s.Confirm(1, s.now.Add(time.Second))
	require.Equal(t, orgA, s.resolve(inbound()).Org)
	s.Confirm(2, s.now.Add(time.Second))
	require.Equal(t, orgB, s.resolve(inbound()).Org, "a change counts as soon as it is known")
	require.Equal(t, 4, s.times[number])
	s.now = s.now.Add(3*time.Second + time.Millisecond)
	s.resolve(inbound())
	s.resolve(inbound())
	require.Equal(t, 6, s.times[number], "confirmed too long ago")
	require.Equal(t, 6, s.times[signer])
}

// After a restore the version counts up again from an earlier one: what was known
// of the time before must not be taken for what is on record now.
func TestAfterARestoreNothingIsRemembered(t *testing.T) {
	t.Parallel()
	s := newShelf(t, owned())
	s.Confirm(7, s.now)
	s.resolve(inbound())
	s.resolve(status())
	s.facts.Senders, s.facts.Mappings = held(number, always(orgB)), mapped(known, orgB, rowA, before)
	s.facts.Accounts = account(always(orgB))
	s.Confirm(5, s.now.Add(time.Second))
	require.Equal(t, orgB, s.resolve(inbound()).Org)
	require.Equal(t, orgB, s.resolve(status()).Org)
	s.Confirm(7, s.now.Add(2*time.Second))
	require.Equal(t, orgB, s.resolve(inbound()).Org, "this seven is another")
	s.Confirm(8, s.now.Add(time.Second))
	s.resolve(inbound())
	s.resolve(inbound())
	require.Equal(t, 3, s.times[number], "what was confirmed for an earlier moment is old")
}

// Who asks for a holder after a change is known must not be told what was asked
// for before it.
func TestNobodyIsToldTheHolderOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t, tenantmap.Facts{Accounts: account(always(orgA)), Senders: held(number, always(orgA))})
		s.Confirm(1, s.now)
		release := make(chan struct{})
		s.asked = func() { <-release }
		slow := make(chan events.OrgID, 1)
		go func() { slow <- s.resolve(inbound()).Org }()
		synctest.Wait() // it was read, and is not yet answered
		s.asked = nil
		s.facts.Senders, s.facts.Accounts = held(number, always(orgB)), account(always(orgB))
		s.Confirm(2, s.now)
		quick := make(chan events.OrgID, 1)
		go func() { quick <- s.resolve(inbound()).Org }()
		synctest.Wait()
		close(release)
		require.Equal(t, orgB, <-quick)
		require.Equal(t, orgB, <-slow)
	})
}

// What organisations share is asked for each time: an answer may come as soon
// as the first of another organisation's messages is out.
func TestSharedSendersAreNotRemembered(t *testing.T) {
	t.Parallel()
	f := both(wroteAt(orgA, before))
	f.Senders = held(number, tenantmap.Tenure{Org: orgA, Shared: true}, tenantmap.Tenure{Org: orgB, Shared: true})
	s := newShelf(t, f)
	s.Confirm(1, s.now)
	require.Equal(t, orgA, s.resolve(fromAnn()).Org)
	talk, _ := tenantmap.ConversationKey(number.Value, ann)
	s.facts.Conversations[talk] = append(s.facts.Conversations[talk], wroteAt(orgB, before.Add(time.Second)))
	require.Equal(t, orgB, s.resolve(fromAnn()).Org)
	require.Equal(t, []int{2, 2, 1}, []int{s.times[number], s.times[talk], s.times[signer]})
}

// That an id is not on record is a reason not to ask again, for a second, and
// only where the event is looked up once more before it is held.
func TestWhatIsNotOnRecordIsForgottenSoon(t *testing.T) {
	t.Parallel()
	s := newShelf(t, tenantmap.Facts{Accounts: account(always(orgA))})
	s.Confirm(1, s.now)
	e := status()
	require.Equal(t, events.Parked, s.resolve(e).Outcome)
	s.facts.Mappings = mapped(known, orgA, rowA, before)
	require.Equal(t, events.Parked, s.resolve(e).Outcome, "it is looked up under a lock, which finds it")
	require.Equal(t, 1, s.times[known])

	first := inbound()
	require.Equal(t, rowA, s.resolve(first).Row, "it would have made another row")
	require.Equal(t, 2, s.times[known])

	other := status()
	other.Resources = []tenantmap.Key{tenantmap.ResourceKey(events.Twilio, "SM2"), echoed}
	s.resolve(other)
	s.facts.Mappings[other.Resources[0]] = tenantmap.Mapping{Org: orgA, Row: rowB, SentAt: before}
	s.Forget(other.Resources[0])
	require.Equal(t, rowB, s.resolve(other).Row, "whoever records an id forgets that it was absent")
	s.facts.Mappings[echoed] = tenantmap.Mapping{Org: orgA, Row: rowB, SentAt: before}
	s.now = s.now.Add(time.Second)
	s.resolve(other)
	s.resolve(other)
	require.Equal(t, 4, s.times[echoed], "beside an id that is not known it is asked for again, and then no more")
}

// An id that was absent a moment ago is asked for again where another id of the
// event is known: together they may contradict.
func TestAbsentBesideKnown(t *testing.T) {
	t.Parallel()
	s := newShelf(t, owned())
	s.Confirm(1, s.now)
	e := status()
	require.Equal(t, goes(orgA, rowA, tenantmap.ByResource), bare(s.resolve(e)))
	s.facts.Mappings[echoed] = tenantmap.Mapping{Org: orgB, Row: rowB, SentAt: before}
	require.Equal(t, tenantmap.ReasonContradiction, s.resolve(e).Reason)
}

// So is one that another event of the batch finds known.
func TestAbsentBesideWhatAnotherEventFindsKnown(t *testing.T) {
	t.Parallel()
	s := newShelf(t, tenantmap.Facts{Accounts: account(always(orgA))})
	s.Confirm(1, s.now)
	one, other := status(), status()
	other.Resources = []tenantmap.Key{known, tenantmap.EchoKey("another")}
	s.resolve(one)
	s.facts.Mappings = mapped(known, orgA, rowA, before)
	s.facts.Mappings[echoed] = tenantmap.Mapping{Org: orgB, Row: rowB, SentAt: before}
	f, err := s.Facts(t.Context(), []*tenantmap.Evidence{&one, &other})
	require.NoError(t, err)
	require.Equal(t, tenantmap.ReasonContradiction, tenantmap.Resolve(&one, &f).Reason)
	require.Equal(t, rowA, tenantmap.Resolve(&other, &f).Row)
}

// When a message was sent may still become earlier by another router's hand. It
// matters to accounts whose rights have a beginning or an end.
func TestAMovedAccountIsJudgedByWhatIsOnRecord(t *testing.T) {
	t.Parallel()
	f := owned()
	f.Accounts = account(tenantmap.Tenure{Org: orgA, From: noon})
	f.Mappings = mapped(known, orgA, rowA, after)
	s := newShelf(t, f)
	s.Confirm(1, s.now)
	require.Equal(t, orgA, s.resolve(status()).Org)
	s.facts.Mappings = mapped(known, orgA, rowA, before)
	require.Equal(t, tenantmap.ReasonNotEntitled, s.resolve(status()).Reason)
}

// However many ids there are, the cache stays within its bound.
func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	f := tenantmap.NewFacts(0)
	f.Accounts = account(always(orgA))
	s := newShelf(t, f)
	s.Confirm(1, s.now)
	for i := range 100 {
		batch := make([]*tenantmap.Evidence, 500)
		for j := range batch {
			e := status()
			k := tenantmap.ResourceKey(events.Twilio, fmt.Sprintf("SM%032x", i*500+j))
			f.Mappings[k] = tenantmap.Mapping{Org: orgA, Row: rowA, SentAt: before}
			e.Resources = []tenantmap.Key{k}
			batch[j] = &e
		}
		_, err := s.Facts(t.Context(), batch)
		require.NoError(t, err)
	}
	require.Equal(t, 100, s.questions)
	require.Eventually(t, func() bool { return s.Bytes() <= 1<<20 }, 10*time.Second, time.Millisecond, "eviction is not at once")
	require.Greater(t, s.Len(), 1000)
}

// Two batches that need the same keys ask once; a key that is recorded while
// it is being asked for is asked for again.
func TestAKeyIsAskedForOnceAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t, owned())
		s.Confirm(1, s.now)
		first, release := true, make(chan struct{})
		s.asked = func() {
			if first {
				first = false
				<-release
			}
		}
		e := status()
		results := make(chan tenantmap.Decision, 2)
		for range 2 {
			go func() { results <- bare(s.resolve(e)) }()
			synctest.Wait()
		}
		close(release)
		for range 2 {
			require.Equal(t, goes(orgA, rowA, tenantmap.ByResource), <-results)
		}
		require.Equal(t, 1, s.times[known])

		s.Clear()
		s.Confirm(1, s.now)
		s.facts.Mappings = nil
		first, release = true, make(chan struct{})
		go func() { results <- bare(s.resolve(e)) }()
		synctest.Wait() // it was read, and is not yet answered
		s.facts.Mappings = mapped(known, orgA, rowA, before)
		s.Forget(known)
		close(release)
		require.Equal(t, goes(orgA, rowA, tenantmap.ByResource), <-results)
	})
}

// A batch that waits for another's question is not ended with that one.
func TestAQuestionOutlivesItsBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t, owned())
		release := make(chan struct{})
		s.asked = func() { <-release }
		ctx, cancel := context.WithCancel(t.Context())
		e := status()
		go func() { _, _ = s.Facts(ctx, []*tenantmap.Evidence{&e}) }()
		synctest.Wait()
		result := make(chan tenantmap.Decision, 1)
		go func() { result <- bare(s.resolve(e)) }()
		synctest.Wait()
		cancel()
		close(release)
		require.Equal(t, goes(orgA, rowA, tenantmap.ByResource), <-result)
	})
}

// bare is a decision without what it says to operators and to the map.
func bare(d tenantmap.Decision) tenantmap.Decision {
	d.Detail, d.Enter, d.SentAt = "", false, time.Time{}
	return d
}
