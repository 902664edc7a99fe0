package ingest

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/provider"
	"waybill/internal/seal"
)

// freshness is how long after a fetch the snapshot may say that somebody is
// not registered. DESIGN's rule: later a new account would be refused for good.
const freshness = 5 * time.Second

var _ provider.Signers = (*Snapshot)(nil)

// Snapshot is who may sign, kept equal to the compacted config topic. Look-ups
// are safe for concurrent use, take no lock and allocate nothing. While the
// broker is away it answers from what it has, and no longer claims to know who
// is missing.
type Snapshot struct {
	key        *seal.Key
	log        *slog.Logger
	now        func() time.Time
	onComplete func() // called at each fetch that reached the end of the topic

	view atomic.Pointer[view]
	// By record key; the follower's goroutine alone touches them.
	signers map[string]signer
	senders map[string]events.ConfigSender // those with a voice URL
}

// view is the snapshot at one moment; it never changes.
type view struct {
	byName     map[name]provider.Signer
	byProvider map[events.Provider][]provider.Signer // sorted by name
	voice      map[string][]events.ConfigSender      // by the sender's value
	signsFor   map[name]*events.ConfigEntitlement    // of those of whom it is told
	unusable   int
	fetched    time.Time // when the last fetch came back
	complete   bool      // whether that fetch reached the end of the topic
}

type name struct {
	provider events.Provider
	name     string
}

// NewSnapshot returns an empty snapshot, which is unsure of everybody.
func NewSnapshot(key *seal.Key, log *slog.Logger, now func() time.Time) *Snapshot {
	s := &Snapshot{key: key, log: log, now: now, signers: map[string]signer{}, senders: map[string]events.ConfigSender{}}
	s.view.Store(&view{fetched: now()})
	return s
}

// Run follows the config topic until ctx is done.
func (s *Snapshot) Run(ctx context.Context, f bus.Follower) error {
	if err := f.Follow(ctx, events.TopicConfig, s.apply); err != nil && ctx.Err() == nil {
		return err
	}
	if ctx.Err() == nil {
		return errors.New("the follower stopped by itself")
	}
	return nil
}

// Signer implements [provider.Signers].
func (s *Snapshot) Signer(p events.Provider, n string) (provider.Signer, provider.Knowledge) {
	v := s.view.Load()
	if found, ok := v.byName[name{p, n}]; ok {
		return found, provider.Known
	}
	return provider.Signer{}, s.absence(v)
}

// Signers implements [provider.Signers]. The list must not be changed.
func (s *Snapshot) Signers(p events.Provider) ([]provider.Signer, provider.Knowledge) {
	v := s.view.Load()
	if all := v.byProvider[p]; len(all) > 0 {
		return all, provider.Known
	}
	return nil, s.absence(v)
}

// absence tells how sure it is that somebody who was not found is not there.
func (s *Snapshot) absence(v *view) provider.Knowledge {
	if v.complete && s.now().Sub(v.fetched) <= freshness {
		return provider.Unknown
	}
	return provider.Unsure
}

// Stats describe a snapshot.
type Stats struct {
	Signers  int
	Unusable int           // signers of which a secret cannot be used
	Age      time.Duration // since the last fetch
}

// Stats returns the snapshot's figures.
func (s *Snapshot) Stats() Stats {
	v := s.view.Load()
	return Stats{Signers: len(v.byName), Unusable: v.unusable, Age: s.now().Sub(v.fetched)}
}

// apply takes what one fetch brought.
func (s *Snapshot) apply(records []events.Record, atEnd bool) {
	changed := false
	for i := range records {
		key := string(records[i].Key)
		if strings.HasPrefix(key, senderPrefix) {
			changed = s.readSender(key, &records[i]) || changed
			continue
		}
		if !strings.HasPrefix(key, signerPrefix) {
			continue
		}
		changed = true
		if len(records[i].Value) == 0 { // a tombstone
			delete(s.signers, key)
			continue
		}
		if read, ok := s.read(&records[i]); ok {
			s.signers[key] = read
		}
	}
	next := *s.view.Load()
	if changed {
		next = s.build()
	}
	next.fetched, next.complete = s.now(), atEnd
	s.view.Store(&next)
	if atEnd && s.onComplete != nil {
		s.onComplete()
	}
}

// build makes the look-ups anew. A provider may have one name under several
// purposes; its secrets then stand side by side.
func (s *Snapshot) build() view {
	v := view{
		byName: make(map[name]provider.Signer, len(s.signers)), byProvider: map[events.Provider][]provider.Signer{},
		signsFor: map[name]*events.ConfigEntitlement{},
	}
	for _, one := range s.signers {
		at := name{one.provider, one.name}
		merged := v.byName[at]
		merged.Name = one.name
		merged.Secrets = append(merged.Secrets, one.secrets...)
		v.byName[at] = merged
		if one.signsFor != nil {
			v.signsFor[at] = one.signsFor
		}
		if one.unusable {
			v.unusable++
		}
	}
	for at, one := range v.byName {
		v.byProvider[at.provider] = append(v.byProvider[at.provider], one)
	}
	v.voice = make(map[string][]events.ConfigSender, len(s.senders))
	for _, one := range s.senders {
		v.voice[one.Value] = append(v.voice[one.Value], one)
	}
	for _, all := range v.byProvider {
		slices.SortFunc(all, func(a, b provider.Signer) int { return strings.Compare(a.Name, b.Name) })
	}
	return v
}
