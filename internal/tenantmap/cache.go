package tenantmap

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"

	"waybill/internal/events"
)

// Source is where facts are on record.
type Source interface {
	// Lookup returns what is on record about keys, in one round trip.
	Lookup(ctx context.Context, keys []Key) (Facts, error)
}

const (
	// currentFor is for how long what is known of accounts and senders may be
	// used after it was last confirmed. A sender moves at least five seconds
	// after its move was entered, so that nobody uses the old record then.
	currentFor = 2 * time.Second
	// absentFor is for how long an id that was not on record is not asked for
	// again. Before an event is held it is looked up under a lock in any case.
	absentFor = time.Second
)

// Cache answers from memory what it can, and asks its source for the rest: for
// each key once at a time, whoever asks, and for all keys of a batch at once.
//
// It keeps ids, which never change their organisation or row once they have
// one; that an id is not on record, for a second, as a reason not to ask but
// never to hold an event; and who held accounts and senders when, for as long
// as [Cache.Confirm] says that nothing of it has changed. Senders that several
// organisations share, and conversations, are always asked for: the answer to a
// message may come as fast as a person writes.
//
// It is safe for concurrent use.
type Cache struct {
	source Source
	now    func() time.Time
	otter  *otter.Cache[Key, entry]
	orgs   sync.Map // events.OrgID -> *events.OrgID: one text for all ids of an organisation

	began       time.Time // as old as what was never confirmed
	flights     flights
	config      atomic.Pointer[config]
	hits, asked atomic.Int64
}

// config is a version of accounts and senders, and when it was last in force.
type config struct {
	version     int64
	confirmedAt time.Time
}

// entry is what is known of a key. The zero value is an id that is not on record.
type entry struct {
	org    *events.OrgID
	row    uuid.UUID
	at     int64    // Unix nanoseconds: when an id was sent, or was found not to be on record
	holder *holding // of senders and accounts
}

// holding is who holds a sender or an account, as of a version.
type holding struct {
	version int64
	tenures []Tenure
	account Account
}

// About what entries take of memory beside their text, in bytes; rather more than less.
const (
	entryBytes  = 208
	tenureBytes = 128
)

// NewCache returns a cache of at most so many bytes over a source. A nil now
// is the clock.
func NewCache(bytes int, source Source, now func() time.Time) *Cache {
	if now == nil {
		now = time.Now
	}
	return &Cache{source: source, now: now, began: now(), flights: flights{going: map[Key]*flight{}}, otter: otter.Must(&otter.Options[Key, entry]{
		MaximumWeight: uint64(max(bytes, entryBytes)), //nolint:gosec // not negative
		Weigher:       weigh,
	})}
}

func weigh(k Key, e entry) uint32 {
	n := len(k.Value) + entryBytes
	if h := e.holder; h != nil {
		n += tenureBytes * (1 + len(h.tenures) + len(h.account.Orgs) + len(h.account.Platform))
	}
	return uint32(n) //nolint:gosec // bounded texts
}

// Confirm says that version was the newest of accounts and senders at a moment.
// Tell it often: what is not confirmed for two seconds is not used. A version
// that has gone down is that of a database that was restored, and everything is
// forgotten.
func (c *Cache) Confirm(version int64, at time.Time) {
	for {
		old := c.config.Load()
		if old != nil && at.Before(old.confirmedAt) {
			return
		}
		if !c.config.CompareAndSwap(old, &config{version, at}) {
			continue
		}
		switch {
		case old == nil || version == old.version:
		case version > old.version:
			// Who asks from now on must not get what was asked for before.
			c.flights.spoilAll(func(k Key) bool { return !k.isID() })
		default:
			c.forgetAll()
		}
		return
	}
}

// ConfirmedAt returns when accounts and senders were last confirmed, or when the
// cache was made.
func (c *Cache) ConfirmedAt() time.Time {
	if k := c.config.Load(); k != nil {
		return k.confirmedAt
	}
	return c.began
}

// current returns the version of accounts and senders that can be relied on
// now, false if none can.
func (c *Cache) current() (int64, bool) {
	k := c.config.Load()
	if k == nil || c.now().Sub(k.confirmedAt) > currentFor {
		return 0, false
	}
	return k.version, true
}

// Clear forgets everything, as when the database was restored.
func (c *Cache) Clear() {
	c.forgetAll()
	c.config.Store(nil)
}

func (c *Cache) forgetAll() {
	c.flights.spoilAll(func(Key) bool { return true })
	c.otter.InvalidateAll()
}

// Forget forgets what is known of keys, as when they were just recorded.
func (c *Cache) Forget(keys ...Key) {
	c.flights.spoil(keys...)
	for _, k := range keys {
		c.otter.Invalidate(k)
	}
}

// Len returns about how many entries there are.
func (c *Cache) Len() int { return c.otter.EstimatedSize() }

// Bytes returns about how many bytes the entries take.
func (c *Cache) Bytes() int { return int(c.otter.WeightedSize()) } //nolint:gosec // bounded by NewCache

// Counts returns how many keys were answered from memory, and for how many the
// source was asked.
func (c *Cache) Counts() (hits, asked int64) { return c.hits.Load(), c.asked.Load() }

// Facts returns what is on record about the keys of a batch of evidence.
func (c *Cache) Facts(ctx context.Context, batch []*Evidence) (Facts, error) {
	version, current := c.current()
	r := reading{cache: c, facts: NewFacts(len(batch)), version: version, current: current}
	for _, e := range batch {
		r.remember(e)
	}
	c.hits.Add(r.hits)
	if err := r.ask(ctx); err != nil {
		return r.facts, err
	}
	if err := r.askAgain(ctx, batch); err != nil {
		return r.facts, err
	}
	return r.facts, r.askConversations(ctx, batch)
}

// reading collects the facts for one batch.
type reading struct {
	cache   *Cache
	facts   Facts
	version int64 // of accounts and senders
	current bool  // version can be relied on
	hits    int64
	asked   []Key       // that memory does not answer; some twice
	absent  []*Evidence // of which no id was on record a moment ago, and none was asked for
}

// remember takes what memory knows of the keys of one event, and notes the
// others. That ids were absent a moment ago counts only where the event will be
// held for it, and so looked up once more: not where another of its ids is
// known, or where it may make its row.
func (r *reading) remember(e *Evidence) {
	var absent []Key
	unsure := e.mayMake()
	for _, k := range e.Keys() {
		if k.Kind == KeyConversation {
			continue
		}
		if r.facts.has(k) { // another event of the batch named it as well
			unsure = unsure || k.isID()
			continue
		}
		known, ok := r.cache.otter.GetIfPresent(k)
		switch {
		case !ok, !r.usable(&known):
			r.asked = append(r.asked, k)
			unsure = unsure || k.isID()
		case k.isID() && known.org == nil:
			absent = append(absent, k)
		default:
			unsure = unsure || k.isID()
			known.addTo(&r.facts, k)
			r.hits++
		}
	}
	if !unsure {
		r.hits += int64(len(absent))
		if len(absent) > 0 {
			r.absent = append(r.absent, e)
		}
		return
	}
	r.asked = append(r.asked, absent...)
}

// usable tells whether an entry may still be relied on.
func (r *reading) usable(e *entry) bool {
	switch {
	case e.holder != nil:
		return r.current && e.holder.version == r.version
	case e.org == nil:
		return r.cache.now().Sub(time.Unix(0, e.at)) < absentFor
	}
	return e.at != 0 // else the time may still become known
}

// ask has what memory does not know looked up.
func (r *reading) ask(ctx context.Context) error {
	if len(r.asked) == 0 {
		return nil
	}
	keep := func(k Key, e entry) { r.cache.otter.Set(k, e) }
	var answered int64
	err := r.cache.flights.ask(ctx, r.asked, r.look, keep, func(k Key, e entry) {
		e.addTo(&r.facts, k)
		answered++
	})
	r.cache.asked.Add(answered)
	return err
}

// look returns what the source knows of keys, an entry for each.
func (r *reading) look(ctx context.Context, keys []Key) (map[Key]entry, error) {
	found, err := r.cache.source.Lookup(ctx, keys)
	if err != nil {
		return nil, err
	}
	now := r.cache.now().UnixNano()
	entries := make(map[Key]entry, len(keys))
	for _, k := range keys {
		entries[k] = r.entry(k, &found, now)
	}
	return entries, nil
}

// entry returns what is kept of what was found of a key. What may not be kept
// has no version, and is not usable the next time.
func (r *reading) entry(k Key, f *Facts, now int64) entry {
	if k.isID() {
		m, ok := f.Mappings[k]
		row, err := uuid.Parse(string(m.Row))
		if !ok || err != nil {
			return entry{at: now}
		}
		e := entry{org: r.cache.intern(m.Org), row: row}
		if !m.SentAt.IsZero() {
			e.at = m.SentAt.UnixNano()
		}
		return e
	}
	h := &holding{version: noVersion, tenures: f.Senders[k], account: f.Accounts[k]}
	if r.current && !slices.ContainsFunc(h.tenures, func(t Tenure) bool { return t.Shared }) {
		h.version = r.version
	}
	return entry{holder: h}
}

// noVersion is no version of accounts and senders.
const noVersion = -1

func (c *Cache) intern(org events.OrgID) *events.OrgID {
	known, ok := c.orgs.Load(org)
	if !ok {
		known, _ = c.orgs.LoadOrStore(org, &org)
	}
	return known.(*events.OrgID) //nolint:forcetypeassert // nothing else is stored
}

// addTo adds an entry to facts.
func (e *entry) addTo(f *Facts, k Key) {
	switch {
	case e.org != nil:
		m := Mapping{Org: *e.org, Row: events.RowID(e.row.String())}
		if e.at != 0 {
			m.SentAt = time.Unix(0, e.at).UTC()
		}
		f.Mappings[k] = m
	case e.holder == nil:
	case k.Kind == KeyAccount:
		f.Accounts[k] = e.holder.account
	case len(e.holder.tenures) > 0:
		f.Senders[k] = e.holder.tenures
	}
}

// askAgain looks up ids that memory answers, where its answer is not enough:
// when messages were sent whose signer could not sign for their organisation at
// every time, because a send record that another router entered since may have
// told an earlier one; and ids that were absent a moment ago beside one that
// another event of the batch had asked for, and that is known now.
func (r *reading) askAgain(ctx context.Context, batch []*Evidence) error {
	var keys []Key
	for _, e := range batch {
		if a := r.facts.Accounts[AccountKey(e.Provider, e.Signer)]; a.bounded() {
			keys = append(keys, e.ids()...)
		}
	}
	for {
		// What is found may concern events that were thought absent, and so on.
		r.absent = slices.DeleteFunc(r.absent, func(e *Evidence) bool {
			ids := e.ids()
			known := slices.ContainsFunc(ids, r.facts.has)
			if known {
				keys = append(keys, ids...)
			}
			return known
		})
		if len(keys) == 0 {
			return nil
		}
		keys = SortKeys(keys)
		r.cache.asked.Add(int64(len(keys)))
		found, err := r.cache.source.Lookup(ctx, keys)
		if err != nil {
			return err
		}
		for k, m := range found.Mappings {
			r.facts.Mappings[k] = m
		}
		keys = nil
	}
}

// askConversations looks up who wrote to the people who wrote to senders that
// several organisations held.
func (r *reading) askConversations(ctx context.Context, batch []*Evidence) error {
	var keys []Key
	for _, e := range batch {
		if !e.mayMake() || e.Person == "" {
			continue
		}
		if orgs, _ := holders(e, &r.facts); len(orgs) > 1 {
			keys = append(keys, e.Conversations()...)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	r.cache.asked.Add(int64(len(keys)))
	found, err := r.cache.source.Lookup(ctx, keys)
	r.facts.Conversations = found.Conversations
	return err
}
