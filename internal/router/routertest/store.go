package routertest

import (
	"context"
	"maps"
	"slices"
	"time"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/router"
	"waybill/internal/tenantmap"
)

// Backend is a store that stories are played against, and the way in which
// operators change it. Nothing of it fails.
type Backend interface {
	router.Store
	// Version changes with every account and sender.
	Version(ctx context.Context) (int64, error)
	// AddOrg makes an organisation.
	AddOrg(org events.OrgID)
	// SetAccount and SetSender replace for whom an account signs and who holds
	// a sender, as `account` and `number` do: what is held for it is set ready.
	SetAccount(name string, platform bool, tenures []tenantmap.Tenure)
	SetSender(value string, tenures []tenantmap.Tenure)
	// Replay sets a held event ready, for an organisation if one is given.
	Replay(id events.EventID, org events.OrgID)
	// Ready returns the receipts of what is ready and nobody claimed, in the order
	// in which it is claimed.
	Ready() []events.ReceiptID
	// EndLeases lets others have what somebody claimed.
	EndLeases()
	// Held returns why events are held.
	Held() map[events.EventID]string
}

// memory is a store in memory. It has no transactions: stories take one step
// after another.
type memory struct {
	version  int64
	orgs     map[events.OrgID]bool
	facts    tenantmap.Facts
	with     map[tenantmap.Key]tenantmap.Key // of an id: the other one that a send record named with it
	held     map[events.EventID]*waiting
	sequence int
}

// waiting is a held event.
type waiting struct {
	tenantmap.Held
	order         int
	ready, leased bool
}

// NewMemory returns a store in memory.
func NewMemory() Backend {
	m := &memory{orgs: map[events.OrgID]bool{}, facts: tenantmap.NewFacts(0), with: map[tenantmap.Key]tenantmap.Key{}, held: map[events.EventID]*waiting{}}
	m.facts.Assigned = map[events.EventID]events.OrgID{}
	return m
}

func (m *memory) Version(context.Context) (int64, error) { return m.version, nil }

func (m *memory) Touch(context.Context, map[string]time.Time) error { return nil }

func (m *memory) AddOrg(org events.OrgID) { m.orgs[org] = true }

func (m *memory) SetAccount(name string, platform bool, tenures []tenantmap.Tenure) {
	k := tenantmap.AccountKey(events.Twilio, name)
	a := tenantmap.Account{Orgs: tenures}
	if platform {
		a.Platform = []tenantmap.Tenure{{}}
	}
	m.facts.Accounts[k] = a
	m.version++
	m.wake(k)
}

func (m *memory) SetSender(value string, tenures []tenantmap.Tenure) {
	k := tenantmap.SenderKey(value)
	m.facts.Senders[k] = tenures
	m.version++
	m.wake(k)
}

func (m *memory) wake(keys ...tenantmap.Key) (n int64) {
	for _, h := range m.held {
		for _, k := range h.Keys {
			for _, want := range keys {
				if k == want && !h.ready {
					h.ready = true
					n++
				}
			}
		}
	}
	return n
}

func (m *memory) Replay(id events.EventID, org events.OrgID) {
	if org != "" {
		m.facts.Assigned[id] = org
	}
	if h := m.held[id]; h != nil {
		h.ready = true
	}
}

func (m *memory) Ready() (ready []events.ReceiptID) {
	for _, h := range m.inOrder() {
		if h.ready && !h.leased {
			ready = append(ready, h.Receipt)
		}
	}
	return ready
}

func (m *memory) inOrder() []*waiting {
	return slices.SortedFunc(maps.Values(m.held), func(a, b *waiting) int { return a.order - b.order })
}

func (m *memory) EndLeases() {
	for _, h := range m.held {
		h.leased = false
	}
}

func (m *memory) Held() map[events.EventID]string {
	out := map[events.EventID]string{}
	for id, h := range m.held {
		out[id] = h.Reason
	}
	return out
}

func (m *memory) Lookup(_ context.Context, keys []tenantmap.Key) (tenantmap.Facts, error) {
	f := tenantmap.NewFacts(0)
	for _, k := range keys {
		if v, ok := m.facts.Mappings[k]; ok {
			f.Mappings[k] = v
		}
		if v, ok := m.facts.Senders[k]; ok {
			f.Senders[k] = v
		}
		if v, ok := m.facts.Conversations[k]; ok {
			f.Conversations[k] = v
		}
		if v, ok := m.facts.Accounts[k]; ok {
			f.Accounts[k] = v
		}
	}
	return f, nil
}

func (m *memory) Settle(_ context.Context, batch []tenantmap.Unsettled) (decisions []tenantmap.Decision, ready int64, err error) {
	for i := range batch {
		u := &batch[i]
		d := tenantmap.Resolve(&u.Evidence, &m.facts)
		decisions = append(decisions, d)
		if d.Outcome != "" {
			h := u.Held
			h.State, h.Reason, h.Keys = d.Outcome, d.Reason, u.Evidence.Awaits(d)
			if u.Evidence.MayAgeInto(d) {
				h.RetryAt = u.AdoptAt
			}
			m.hold(&h)
		} else if d.Enter {
			for _, k := range u.Evidence.Resources {
				if _, known := m.facts.Mappings[k]; !known && k.Kind == tenantmap.KeyResource {
					m.facts.Mappings[k] = tenantmap.Mapping{Org: d.Org, Row: d.Row, SentAt: d.SentAt}
					ready += m.wake(k)
				}
			}
		}
	}
	return decisions, ready, nil
}

func (m *memory) hold(h *tenantmap.Held) {
	w := &waiting{Held: *h, order: m.sequence}
	m.sequence++
	if old := m.held[h.EventID]; old != nil {
		old.State, old.Reason, old.RetryAt, old.ready, old.leased = h.State, h.Reason, h.RetryAt, false, false
		old.Keys = append(old.Keys, h.Keys...)
		return
	}
	m.held[h.EventID] = w
}

func (m *memory) Hold(_ context.Context, held []tenantmap.Held) error {
	for i := range held {
		m.hold(&held[i])
	}
	return nil
}

func (m *memory) Ignore(_ context.Context, ignored []tenantmap.Ignored) error {
	for i := range ignored {
		delete(m.held, ignored[i].EventID)
	}
	return nil
}

func (m *memory) RecordSends(_ context.Context, sends []tenantmap.Send) (entries []tenantmap.Entry, ready int64, err error) {
	for i := range sends {
		s := &sends[i]
		if !m.orgs[s.Org] {
			entries = append(entries, tenantmap.Entry{Reason: tenantmap.ReasonUnknownOrg})
			continue
		}
		row := events.DeriveRowID(s.Org, s.Provider, s.ProviderID)
		if s.MessageID != "" {
			row = events.RowID(s.MessageID)
		}
		taken := false
		keys := s.Keys()
		for j := len(keys) - 1; j >= 0; j-- {
			if known, ok := m.facts.Mappings[keys[j]]; ok {
				taken = taken || known.Org != s.Org
				row = known.Row
			}
		}
		if taken {
			entries = append(entries, tenantmap.Entry{Reason: tenantmap.ReasonTaken})
			continue
		}
		if a, b, ok := s.Pair(); ok {
			if m.other(a, b) || m.other(b, a) {
				entries = append(entries, tenantmap.Entry{Reason: tenantmap.ReasonOtherID})
				continue
			}
			m.with[a], m.with[b] = b, a
		}
		for _, k := range keys {
			known, ok := m.facts.Mappings[k]
			if !ok {
				known = tenantmap.Mapping{Org: s.Org, Row: row, SentAt: s.SentAt}
			}
			if s.SentAt.Before(known.SentAt) {
				known.SentAt = s.SentAt
			}
			m.facts.Mappings[k] = known
		}
		if k, ok := s.Conversation(); ok && m.isShared(s.Sender) {
			m.talk(k, s)
			keys = append(keys, k)
		}
		ready += m.wake(keys...)
		entries = append(entries, tenantmap.Entry{Row: row})
	}
	return entries, ready, nil
}

func (m *memory) other(id, with tenantmap.Key) bool {
	known, ok := m.with[id]
	return ok && known != with
}

func (m *memory) isShared(sender string) bool {
	for _, t := range m.facts.Senders[tenantmap.SenderKey(sender)] {
		if t.Shared {
			return true
		}
	}
	return false
}

func (m *memory) talk(k tenantmap.Key, s *tenantmap.Send) {
	list := m.facts.Conversations[k]
	for i := range list {
		if c := &list[i]; c.Org == s.Org {
			at := 0
			for at < len(c.Times) && c.Times[at].After(s.SentAt) {
				at++
			}
			if at == len(c.Times) || !c.Times[at].Equal(s.SentAt) {
				c.Times = append(c.Times[:at:at], append([]time.Time{s.SentAt}, c.Times[at:]...)...)
			}
			return
		}
	}
	m.facts.Conversations[k] = append(list, tenantmap.Conversation{Org: s.Org, Times: []time.Time{s.SentAt}})
}

func (m *memory) ClaimReady(_ context.Context, _ events.EventID, limit int, _ time.Duration) (tenantmap.Claimed, error) {
	var claims []tenantmap.Claim
	for _, h := range m.inOrder() {
		if h.ready && !h.leased && len(claims) < limit {
			h.leased = true
			claims = append(claims, tenantmap.Claim{EventID: h.EventID, Raw: h.Raw, Record: h.Record})
		}
	}
	return tenantmap.Claimed{Token: "token", Claims: claims}, nil
}

func (m *memory) DeleteReleased(_ context.Context, _ string, ids []events.EventID) error {
	for _, id := range ids {
		if h := m.held[id]; h != nil && h.leased {
			delete(m.held, id)
		}
	}
	return nil
}

func (m *memory) RetryDue(_ context.Context, now time.Time) (n int64, err error) {
	for _, h := range m.held {
		if !h.RetryAt.IsZero() && !h.RetryAt.After(now) && !h.ready {
			h.ready, h.RetryAt = true, time.Time{}
			n++
		}
	}
	return n, nil
}

func (m *memory) CountKept(context.Context) (map[tenantmap.Signer]int, error) {
	kept := map[tenantmap.Signer]int{}
	for _, h := range m.held {
		if h.State == events.Parked && h.Record != nil {
			kept[tenantmap.Signer{Provider: h.Provider, Name: h.Signer}]++
		}
	}
	return kept, nil
}

// What stories do not use.

func (m *memory) Ask(_ context.Context, requests []tenantmap.Request) ([][]events.OrgID, error) {
	return make([][]events.OrgID, len(requests)), nil
}

func (m *memory) Finals(context.Context, []events.EventID) (map[events.EventID]events.ReceiptID, error) {
	return nil, nil
}

func (m *memory) Spoil(context.Context, string, map[events.EventID]string) error { return nil }

func (m *memory) SupersedeFinal(context.Context, events.EventID) (events.EventID, error) {
	return "", nil
}

func (m *memory) WakeHeld(context.Context) (int64, error) { return 0, nil }

func (m *memory) ExpireParked(context.Context, time.Time) (int64, error) { return 0, nil }

func (m *memory) CountHeld(context.Context) ([]tenantmap.HeldState, error) { return nil, nil }

// offsets are positions that nobody keeps.
type offsets struct{}

func (offsets) Next(context.Context, string, int) (int64, bool, error) { return 0, false, nil }
func (offsets) Plant(context.Context, string, int, int64) error        { return nil }
func (offsets) Advance(context.Context, ...bus.Fence) error            { return nil }
