package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"waybill/internal/app"
	"waybill/internal/embedded"
)

type demoCmd struct {
	Exit bool `help:"End after the last scene instead of staying up to be looked at; status 1 if a scene did not come true."`
}

// Help gives examples.
func (demoCmd) Help() string {
	return `Starts everything in one process in a temporary folder, makes two organisations, and plays their providers' callbacks with
real signatures. What it shows is read back from the rows and topics. Needs nothing but what Go downloads; the first run
may download PostgreSQL.

Examples:

  waybill demo
  waybill demo --exit
  waybill demo --exit --json`
}

// Run plays the demo.
func (c demoCmd) Run(s *session) error {
	began := time.Now()
	dir, err := embedded.MkdirTemp("waybill-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	opts, err := s.devOptions(dir, "127.0.0.1:0", "127.0.0.1:0")
	if err != nil {
		return err
	}
	opts.Log, opts.Seed, opts.Config.SNS.CertDir = quiet(s), true, "" // the demo signs as SNS by itself
	ctx, done := context.WithCancel(s.ctx)
	defer done()
	var played []scene
	err = app.Dev(ctx, opts, func(ctx context.Context, r app.Ready) error {
		played, err = c.play(ctx, s, r, began)
		if c.Exit || err != nil {
			done()
		}
		return err
	})
	if err != nil {
		return err
	}
	for i := range played {
		if !played[i].OK {
			return errShown
		}
	}
	return nil
}

// play sets the stage, plays every scene and says how it went.
func (c demoCmd) play(ctx context.Context, s *session, r app.Ready, began time.Time) ([]scene, error) {
	st, err := newStage(ctx, s, r)
	if err != nil {
		return nil, err
	}
	defer st.close()
	s.progress("ready after %.1f s; two organisations:\n%s", time.Since(began).Seconds(), &r.Seed)
	played, err := st.play()
	if err != nil && !errors.Is(err, context.Canceled) {
		return played, err
	}
	if s.json {
		err = s.print(map[string]any{"seconds": time.Since(began).Seconds(), "scenes": played}, nil)
	}
	s.progress("\n%d of %d scenes came true, %.1f s after the start", count(played), len(scenes), time.Since(began).Seconds())
	if !c.Exit {
		s.progress(stay, r.HTTPURL, r.AdminURL, r.DatabaseURL, r.KafkaBrokers, st.campaign, st.sid(1))
	}
	return played, err
}

const stay = `
Everything is still up; end it with Ctrl-C.
  callbacks  %s/api/webhooks/sms/status
  metrics    %s/metrics
For the other verbs, in another terminal:
  export WAYBILL_DATABASE_URL='%s' WAYBILL_KAFKA_BROKERS=%s
  waybill campaign show %s
  waybill trace %s`

func count(played []scene) int {
	n := 0
	for i := range played {
		if played[i].OK {
			n++
		}
	}
	return n
}

// scene is how one scene went. Its JSON names are promises.
type scene struct {
	Name  string   `json:"name"`
	OK    bool     `json:"ok"`
	Seen  []string `json:"seen"` // what was read back
	Error string   `json:"error,omitempty"`
}

// act is one scene of the demo: it plays callbacks, then waits until the rows
// and topics show what they must, and tells what it saw.
type act struct {
	name string
	play func(*stage) error
}

// scenes are the demo, in order; later ones build on earlier ones.
var scenes = []act{
	{"an SMS goes queued, sent, delivered", (*stage).delivered},
	{"an inbound SMS lands in the right organisation", (*stage).inbound},
	{"an e-mail is delivered to two people, then bounces for one of them", (*stage).bounced},
	{"a call is answered and completed, with its duration and recording", (*stage).answered},
	{"a contact waits, reaches an agent and ends, and its record follows", (*stage).contact},
	{"a Stripe subscription becomes active, without any organisation", (*stage).subscription},
	{"a repeated callback is counted and changes nothing", (*stage).duplicate},
	{"a callback before its send record is parked, then released", (*stage).early},
	{"a forged callback is refused with its reason", (*stage).forged},
	{"one organisation's signature under the other's message is quarantined; the genuine one applies", (*stage).crossTenant},
	{"the campaign's counters equal the recount", (*stage).counters},
	{"every receipt is accounted for", (*stage).audit},
}

func (st *stage) play() ([]scene, error) {
	var played []scene
	for i, a := range scenes {
		st.seen = nil
		st.session.progress("%d. %s", i+1, a.name)
		err := a.play(st)
		if st.ctx.Err() != nil {
			return played, st.ctx.Err()
		}
		sc := scene{Name: a.name, OK: err == nil, Seen: st.seen}
		if err != nil {
			sc.Error = err.Error()
			st.session.progress("   NOT SEEN: %v", err)
		}
		played = append(played, sc)
	}
	return played, nil
}

// saw tells something that was read back.
func (st *stage) saw(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	st.seen = append(st.seen, line)
	st.session.progress("   %s", line)
}
