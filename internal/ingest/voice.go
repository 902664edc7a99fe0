package ingest

import (
	"waybill/internal/events"
	"waybill/internal/provider"
)

// senderPrefix begins the keys of senders on the config topic.
const senderPrefix = "sender/"

// readSender takes a sender's record, and tells whether a voice URL changed.
// One that cannot be read leaves what was known: a call is better sent where it
// went a minute ago than turned away.
func (s *Snapshot) readSender(key string, r *events.Record) bool {
	_, known := s.senders[key]
	var c events.ConfigSender
	switch {
	case len(r.Value) == 0: // a tombstone
	case events.DecodeConfig(r, &c) != nil || c.Key() != key:
		s.log.Error("a config record of a sender cannot be read", "offset", r.Offset)
		return false
	}
	if c.VoiceRedirect == "" {
		delete(s.senders, key)
		return known
	}
	s.senders[key] = c
	return true
}

// VoiceURL returns where calls to a number go now that a Twilio account tells of.
// Unknown means that nobody says so, that those who share the number do not
// agree, or that the account signs for none of them: where one organisation's
// calls go is not told to another's account. It is safe for concurrent use.
func (s *Snapshot) VoiceURL(number, account string) (string, provider.Knowledge) {
	v, now := s.view.Load(), s.now()
	signsFor := v.signsFor[name{events.Twilio, account}]
	var url string
	for i := range v.voice[number] {
		c := &v.voice[number][i]
		switch {
		case c.From != nil && now.Before(*c.From), c.To != nil && !now.Before(*c.To):
		case signsFor != nil && !signsFor.Covers(c.Org, now):
		case url != "" && url != c.VoiceRedirect:
			return "", provider.Unknown
		default:
			url = c.VoiceRedirect
		}
	}
	if url != "" {
		return url, provider.Known
	}
	return "", s.absence(v)
}
