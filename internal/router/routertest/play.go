package routertest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"waybill/internal/events"
	"waybill/internal/obs"
	"waybill/internal/provider"
	"waybill/internal/provider/twilio"
	"waybill/internal/router"
	"waybill/internal/tenantmap"
)

// Told counts what stories went through, to see that they meet what they are for.
type Told struct {
	Events, Sends, Held, Adopted, Moved, Answered, Decreed, Failures, Deaths int
}

// Play plays one random story of at most that many steps and fails t if an event ends
// where it must not. The name makes the story's ids its own.
func Play(t *rapid.T, name string, b Backend, steps int, told *Told) {
	p := newPlay(t, name, b, told)
	for range rapid.IntRange(steps/2, steps).Draw(t, "steps") {
		p.step()
	}
	p.settle()
}

// play is a story under way.
type play struct {
	t       *rapid.T
	name    string
	b       Backend
	told    *Told
	now     time.Time
	world   world
	routers [2]*router.Router
	log     *broker
	read    map[string]int // offsets of raw and sends topic

	orgs     []events.OrgID
	accounts []string
	numbers  []string // two that change hands, one that is shared, one that nobody has
	people   []string
	events   map[events.ReceiptID]*event
	sends    map[events.ReceiptID]*send
	ended    map[events.EventID]verdict // where it went first
	serial   int
}

// broker is a log in memory, whose writes may fail before or after they are done.
type broker struct {
	records map[string][]events.Record
	failing int // 1 = before, 2 = after; once
	failed  bool
}

var errBroker = errors.New("the broker is away")

func (k *broker) Publish(_ context.Context, records ...events.Record) error {
	how := k.failing
	k.failing = 0
	if how == 1 {
		k.failed = true
		return errBroker
	}
	for _, r := range records {
		r.Offset = int64(len(k.records[r.Topic]))
		k.records[r.Topic] = append(k.records[r.Topic], r)
	}
	if how == 2 {
		k.failed = true
		return errBroker
	}
	return nil
}

func (k *broker) Read(_ context.Context, at events.Position) (events.Record, error) {
	return k.records[at.Topic][at.Offset], nil
}

func (k *broker) Follow(context.Context, string, func([]events.Record, bool)) error { return nil }
func (k *broker) Scan(context.Context, string, func([]events.Record) error) error   { return nil }

// feed is the configuration's version; nothing is published.
type feed struct{ b Backend }

func (f feed) Version(ctx context.Context) (int64, error) { return f.b.Version(ctx) }
func (feed) All(context.Context) (map[string]any, error)  { return nil, nil }
func (feed) Lead(context.Context) (bool, error)           { return false, nil }

func newPlay(t *rapid.T, name string, b Backend, told *Told) *play {
	p := &play{
		t: t, name: name, b: b, told: told, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), log: &broker{records: map[string][]events.Record{}}, read: map[string]int{},
		events: map[events.ReceiptID]*event{}, sends: map[events.ReceiptID]*send{}, ended: map[events.EventID]verdict{},
	}
	p.world = world{owners: map[string]owner{}, pairs: map[string]string{}, shared: map[string]bool{}, said: map[events.EventID]events.OrgID{}, books: []book{{}}}
	for i := range 3 {
		org := events.OrgID(events.DeriveID(name, "org", fmt.Sprint(i)))
		p.orgs = append(p.orgs, org)
		b.AddOrg(org)
		p.accounts = append(p.accounts, "AC"+p.hex(i))
		p.people = append(p.people, "ann@"+name, "+4420"+p.digits(i))
	}
	for i := range 4 {
		p.numbers = append(p.numbers, "+1202"+p.digits(i))
	}
	p.setAccount(0, false, span{org: p.orgs[0]})
	p.setAccount(1, true)
	p.setAccount(2, false, span{org: p.orgs[0]}, span{org: p.orgs[1]})
	p.setSender(0, span{org: p.orgs[0]})
	p.setSender(1, span{org: p.orgs[1]})
	p.world.shared[p.numbers[2]] = true
	p.setSender(2, span{org: p.orgs[0]}, span{org: p.orgs[1]})
	for i := range p.routers {
		p.begin(i)
	}
	return p
}

func (p *play) hex(n int) string    { return fmt.Sprintf("%032x", p.serialOf(n)) }
func (p *play) digits(n int) string { return fmt.Sprintf("%07d", p.serialOf(n)%10_000_000) }

// serialOf makes numbers of one story unlike those of another.
func (p *play) serialOf(n int) uint64 {
	var h uint64 = 14695981039346656037
	for _, c := range []byte(p.name) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h<<8>>8 + uint64(n) //nolint:gosec // small
}

// any is one of the routers.
func (p *play) any() *router.Router { return p.routers[rapid.IntRange(0, 1).Draw(p.t, "router")] }

// begin starts a router that knows nothing.
func (p *play) begin(i int) {
	p.routers[i] = router.New(router.Options{
		Config: router.Config{
			ParkMaxAge: 72 * time.Hour, AdoptAfter: adoptAfter, CacheBytes: 1 << 20, MaxParked: rapid.SampledFrom([]int{0, 2, 1000}).Draw(p.t, "cap"),
		},
		Parsers: []provider.Parser{twilio.Parser{}}, Store: p.b, Positions: offsets{}, Feed: feed{p.b}, Publisher: p.log, Follower: p.log,
		Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(), Health: obs.NewHealth(), Now: func() time.Time { return p.now }, SharePause: 1,
	})
	require.NoError(p.t, p.routers[i].Confirm(context.Background()))
}

func (p *play) setAccount(i int, platform bool, spans ...span) {
	p.b.SetAccount(p.accounts[i], platform, tenures(spans, false))
	if platform {
		spans = append(spans, span{})
	}
	p.world.change(p.now, func(b *book) { b.accounts[p.accounts[i]] = spans })
}

func (p *play) setSender(i int, spans ...span) {
	p.b.SetSender(p.numbers[i], tenures(spans, p.world.shared[p.numbers[i]]))
	p.world.change(p.now, func(b *book) { b.senders[p.numbers[i]] = spans })
}

func tenures(spans []span, shared bool) (out []tenantmap.Tenure) {
	for _, s := range spans {
		out = append(out, tenantmap.Tenure{Org: s.org, From: s.from, To: s.to, Shared: shared})
	}
	return out
}

// step takes one step of the story.
func (p *play) step() {
	p.now = p.now.Add(rapid.SampledFrom([]time.Duration{0, 0, 0, 200 * time.Millisecond, time.Second, 3 * time.Second, 20 * time.Minute}).Draw(p.t, "pause"))
	switch rapid.IntRange(0, 19).Draw(p.t, "act") {
	case 0, 1, 2, 3:
		p.callback()
	case 4, 5, 6:
		p.answer()
	case 7, 8, 9:
		p.send()
	case 10:
		p.repeat()
	case 11:
		p.move()
	case 12:
		p.adopt()
	case 13:
		require.NoError(p.t, p.any().Confirm(context.Background()))
	case 14:
		p.replay(rapid.Bool().Draw(p.t, "to somebody"))
	case 15:
		p.begin(rapid.IntRange(0, 1).Draw(p.t, "dies"))
		p.told.Deaths++
	case 16:
		p.release()
	default:
		p.route()
	}
}

func (p *play) pick(of []string, what string) string {
	return rapid.SampledFrom(of).Draw(p.t, what)
}

func (p *play) sid(n int) string { return "SM" + p.hex(n) }

func (p *play) echo(n int) string {
	return events.DeriveID(p.name, "message", fmt.Sprint(n))
}

// callback has a provider tell a status of one of few messages.
func (p *play) callback() {
	n := rapid.IntRange(0, 4).Draw(p.t, "message")
	e := &event{signer: p.pick(p.accounts, "signer"), sid: p.sid(n), number: p.pick(p.numbers, "from"), at: p.now}
	uri := "/api/webhooks/sms/status"
	if rapid.Bool().Draw(p.t, "echoes") {
		e.echo = p.echo(rapid.IntRange(0, 4).Draw(p.t, "echo"))
		uri += "?wb=" + e.echo
	}
	p.serial++
	form := url.Values{
		"MessageSid": {e.sid}, "AccountSid": {e.signer}, "From": {e.number}, "To": {p.people[1]},
		"MessageStatus": {rapid.SampledFrom([]string{"queued", "sent", "delivered"}).Draw(p.t, "status")}, "ErrorCode": {fmt.Sprint(p.serial)},
	}
	p.tell(e, events.KindMessageStatus, uri, form)
}

// answer has somebody write to one of our numbers, often to one that wrote to them.
func (p *play) answer() {
	p.serial++
	e := &event{
		inbound: true, signer: p.pick(p.accounts, "signer"), sid: p.sid(100 + p.serial), number: p.pick(p.numbers, "to"),
		person: rapid.SampledFrom(p.people[1:]).Draw(p.t, "person"), at: p.now,
	}
	if len(p.world.written) > 0 && rapid.Bool().Draw(p.t, "to what was written") {
		w := rapid.SampledFrom(p.world.written).Draw(p.t, "what was written")
		e.number, e.person, e.signer = w.sender, w.person, p.pick(p.accounts[1:], "who may sign for it")
	}
	p.tell(e, events.KindMessage, "/api/webhooks/sms", url.Values{
		"MessageSid": {e.sid}, "AccountSid": {e.signer}, "From": {e.person}, "To": {e.number}, "Body": {"hello"}, "SmsStatus": {"received"},
	})
}

func (p *play) tell(e *event, kind events.Kind, uri string, form url.Values) {
	raw := events.Raw{
		Receipt: events.ReceiptID(events.DeriveID(p.name, "receipt", fmt.Sprint(p.serial))), Provider: events.Twilio, Kind: kind, Signer: e.signer, Key: e.sid,
		Method: "POST", URI: uri, Body: []byte(form.Encode()), ReceivedAt: e.at,
		Headers: []events.Header{{Key: "content-type", Value: []byte("application/x-www-form-urlencoded")}},
	}
	parsed, err := twilio.Parser{}.Parse(&raw)
	require.NoError(p.t, err)
	e.id, e.receipt = parsed.EventID, raw.Receipt
	p.events[raw.Receipt] = e
	p.told.Events++
	require.NoError(p.t, p.log.Publish(context.Background(), raw.Record()))
}

// send has an organisation record a send.
func (p *play) send() {
	p.serial++
	s := &send{org: rapid.SampledFrom(p.orgs).Draw(p.t, "org"), sender: p.pick(p.numbers, "from"), person: rapid.SampledFrom(p.people[1:]).Draw(p.t, "to"), at: p.now}
	s.at = s.at.Add(-rapid.SampledFrom([]time.Duration{0, time.Second, time.Minute}).Draw(p.t, "ago"))
	which := rapid.IntRange(1, 3).Draw(p.t, "ids")
	if which&1 != 0 {
		s.sid = p.sid(rapid.IntRange(0, 4).Draw(p.t, "message"))
	}
	if which&2 != 0 {
		s.messageID = p.echo(rapid.IntRange(0, 4).Draw(p.t, "echo"))
	}
	rec := events.Send{
		Org: s.org, Channel: events.SMS, Provider: events.Twilio, ProviderID: s.sid, MessageID: s.messageID, From: s.sender, To: s.person,
		Status: "accepted", SentAt: &s.at, Receipt: events.ReceiptID(events.DeriveID(p.name, "receipt", fmt.Sprint(p.serial))), ReceivedAt: p.now,
	}
	if s.sid == "" {
		rec.Status = events.Intended
	}
	s.id = rec.ID()
	p.sends[rec.Receipt] = s
	p.told.Sends++
	r, err := rec.Record()
	require.NoError(p.t, err)
	require.NoError(p.t, p.log.Publish(context.Background(), r))
}

// repeat delivers what was delivered before once more.
func (p *play) repeat() {
	for topic := range p.read {
		if all := p.log.records[topic]; len(all) > 0 && rapid.Bool().Draw(p.t, "this topic") {
			require.NoError(p.t, p.log.Publish(context.Background(), all[rapid.IntRange(0, len(all)-1).Draw(p.t, "which")]))
			return
		}
	}
}

// move gives a number, or what an account may sign for, to another organisation,
// at least five seconds from now.
func (p *play) move() {
	at := p.now.Add(5*time.Second + rapid.SampledFrom([]time.Duration{0, time.Second, time.Minute}).Draw(p.t, "later"))
	org := rapid.SampledFrom(p.orgs).Draw(p.t, "org")
	handOver := func(spans []span) []span {
		last := len(spans) - 1
		if last < 0 || spans[last].org == org || !spans[last].from.Before(at) {
			return nil
		}
		spans = slices.Clone(spans)
		spans[last].to = at
		return append(spans, span{org: org, from: at})
	}
	if i := rapid.IntRange(0, 2).Draw(p.t, "what"); i < 2 {
		if spans := handOver(p.world.newest().senders[p.numbers[i]]); spans != nil {
			p.setSender(i, spans...)
		}
	} else if spans := handOver(p.world.newest().accounts[p.accounts[0]]); spans != nil {
		p.setAccount(0, false, spans...)
	}
}

// adopt enters the number that nobody had, for all time.
func (p *play) adopt() {
	if n := p.numbers[3]; len(p.world.newest().senders[n]) == 0 {
		p.setSender(3, span{org: rapid.SampledFrom(p.orgs).Draw(p.t, "org")})
	}
}

// replay has an operator release a held event, or say whose it is.
func (p *play) replay(decree bool) {
	held := p.b.Held()
	ids := make([]events.EventID, 0, len(held))
	for id := range held {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	if decree {
		ids = slices.DeleteFunc(ids, func(id events.EventID) bool { return strings.HasPrefix(string(id), string(events.Sender)+"/") })
	}
	if len(ids) == 0 {
		return
	}
	id, org := rapid.SampledFrom(ids).Draw(p.t, "held"), events.OrgID("")
	if decree {
		org = rapid.SampledFrom(p.orgs).Draw(p.t, "whose")
		p.world.said[id] = org
		p.told.Decreed++
	}
	p.b.Replay(id, org)
}

// release takes a turn at what is ready, which may fail.
func (p *play) release() {
	r := p.any()
	require.NoError(p.t, r.RetryDue(context.Background()))
	p.log.failing = rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(p.t, "failing")
	p.releaseBy(r)
	if rapid.Bool().Draw(p.t, "leases end") {
		p.b.EndLeases()
	}
}

// route has the router take some of what a topic holds, which may fail, and be
// forgotten after it was done.
func (p *play) route() {
	topic := p.pick([]string{events.TopicRawTwilio, events.TopicSends}, "topic")
	rest := p.log.records[topic][p.read[topic]:]
	if len(rest) == 0 {
		return
	}
	batch := rest[:rapid.IntRange(1, min(len(rest), 6)).Draw(p.t, "batch")]
	p.log.failing = rapid.SampledFrom([]int{0, 0, 0, 0, 1, 2}).Draw(p.t, "failing")
	if p.handle(topic, batch) && rapid.IntRange(0, 5).Draw(p.t, "forgotten") > 0 {
		p.read[topic] += len(batch)
	}
}
