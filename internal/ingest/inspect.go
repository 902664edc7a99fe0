package ingest

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"waybill/internal/bus"
	"waybill/internal/events"
)

// Front is what ingest decides about a request before it looks at a signature.
type Front struct {
	Provider events.Provider // "none" for a path that is not ours
	Kind     events.Kind
	Reason   string // why it is refused at once, "" if it is not
	Near     string // of a path that is not ours: what makes it one, "" = nothing that is known
}

// FrontOf returns what ingest decides about a request before it looks at a
// signature. It reads nothing but the head.
func FrontOf(r *http.Request) Front {
	for i := range routes {
		rt := &routes[i]
		if rt.path != pathOf(r.RequestURI) {
			continue
		}
		f := Front{Provider: rt.provider, Kind: rt.kind}
		if err := rt.admit(r); err != nil {
			_, f.Reason = verdict(err)
		}
		return f
	}
	return Front{Provider: nobody, Reason: errUnknownPath.reason, Near: near(pathOf(r.RequestURI))}
}

// near says what separates a path from one of ours.
func near(path string) string {
	bare := strings.TrimRight(path, "/")
	for i := range routes {
		switch ours := routes[i].path; {
		case bare == ours:
			return "the path has a slash at its end, and ours have none"
		case strings.HasSuffix(bare, ours):
			return "the path has a prefix before ours: what stands before ingest must take it away, and WAYBILL_PUBLIC_URL end in it"
		case strings.EqualFold(bare, ours):
			return "the path is ours in other letters, upper for lower case"
		case bare != "" && strings.HasSuffix(ours, bare):
			return "the path lacks its beginning: what stands before ingest took it away"
		}
	}
	return ""
}

// Load reads the config topic to its end once, for a program that asks once. It
// must not run beside [Snapshot.Run].
func (s *Snapshot) Load(ctx context.Context, f bus.Follower) error {
	reading, done := context.WithCancel(ctx)
	defer done()
	read := false
	err := f.Follow(reading, events.TopicConfig, func(records []events.Record, atEnd bool) {
		s.apply(records, atEnd)
		if atEnd {
			read = true
			done()
		}
	})
	switch {
	case read:
		return nil
	case ctx.Err() != nil:
		return errors.New("the topic " + events.TopicConfig + " could not be read to its end in time")
	}
	return err
}
