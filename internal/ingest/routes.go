package ingest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"waybill/internal/events"
	"waybill/internal/provider"
)

// nobody is the provider of a request that reached no provider's path.
const nobody events.Provider = "none"

const (
	typeForm = "application/x-www-form-urlencoded"
	typeJSON = "application/json"
	typeText = "text/plain" // SNS's own, though it sends JSON; a topic's delivery policy can say otherwise
)

// route is one public path.
type route struct {
	path     string
	provider events.Provider
	kind     events.Kind
	methods  []string // as they stand in Allow; GET carries no body of its own
	content  []string // content types that a POST may have
	success  success
	also     map[events.Kind]success // other kinds that come by this path, with their answers
	calls    bool                    // a call waits: its answer is the number's voice URL
	within   time.Duration           // the caller's patience, where it is shorter than the configured time
	many     bool                    // one request carries many records, and may come in gzip

	verifier provider.Verifier
	carrier  provider.Carrier // the verifier again, where many is set
}

// routes are the public paths. They are promises: providers are configured
// with them.
var routes = []route{
	{
		path: "/api/webhooks/sms", provider: events.Twilio, kind: events.KindMessage,
		methods: []string{http.MethodPost, http.MethodGet}, content: []string{typeForm, typeJSON},
		success: emptyTwiML,
	},
	{
		path: "/api/webhooks/sms/status", provider: events.Twilio, kind: events.KindMessageStatus,
		methods: []string{http.MethodPost, http.MethodGet}, content: []string{typeForm, typeJSON},
		success: success{status: http.StatusNoContent},
	},
	{
		path: "/api/webhooks/voice", provider: events.Twilio, kind: events.KindCallInbound,
		methods: []string{http.MethodPost, http.MethodGet}, content: []string{typeForm, typeJSON},
		success: rejectCall, calls: true,
	},
	{
		path: "/api/webhooks/voice/status", provider: events.Twilio, kind: events.KindCall,
		methods: []string{http.MethodPost, http.MethodGet}, content: []string{typeForm, typeJSON},
		success: success{status: http.StatusNoContent}, also: map[events.Kind]success{events.KindDial: emptyTwiML},
	},
	{
		path: "/api/webhooks/voice/recording", provider: events.Twilio, kind: events.KindRecording,
		methods: []string{http.MethodPost, http.MethodGet}, content: []string{typeForm, typeJSON},
		success: success{status: http.StatusNoContent},
	},
	{
		path: "/api/webhooks/email", provider: events.SES, kind: events.KindEmail,
		methods: []string{http.MethodPost}, content: []string{typeText, typeJSON},
		success: success{status: http.StatusOK}, also: map[events.Kind]success{events.KindTopic: {status: http.StatusOK}},
	},
	{
		path: "/api/webhooks/connect", provider: events.Connect, kind: events.KindContact,
		methods: []string{http.MethodPost}, content: []string{typeText, typeJSON}, within: 4 * time.Second, // EventBridge waits for 5 s
		success: success{status: http.StatusOK}, also: map[events.Kind]success{events.KindTopic: {status: http.StatusOK}},
	},
	{
		path: "/api/webhooks/connect/records", provider: events.Connect, kind: events.KindContactRecord,
		methods: []string{http.MethodPost}, content: []string{typeJSON}, many: true,
		success: success{status: http.StatusOK},
	},
	{
		path: "/api/webhooks/stripe", provider: events.Stripe, kind: events.KindStripe,
		methods: []string{http.MethodPost}, content: []string{typeJSON},
		success: success{status: http.StatusOK},
	},
}

// table finds a route by the exact bytes of its path.
type table map[string]*route

// newTable joins the routes with those who verify them.
func newTable(verifiers []provider.Verifier) (table, error) {
	t := make(table, len(routes))
	for i := range routes {
		r := routes[i] // a copy: two edges in one process have verifiers of their own
		at := slices.IndexFunc(verifiers, func(v provider.Verifier) bool { return v.Provider() == r.provider })
		if at < 0 {
			return nil, fmt.Errorf("path %s has no verifier for %s", r.path, r.provider)
		}
		r.verifier = verifiers[at]
		if r.many {
			carrier, ok := r.verifier.(provider.Carrier)
			if !ok {
				return nil, fmt.Errorf("path %s needs a verifier that reads many records", r.path)
			}
			r.carrier = carrier
		}
		t[r.path] = &r
	}
	return t, nil
}

// find returns the route of a request URI, nil if there is none. Nothing is
// decoded, cleaned or redirected: Twilio signs the bytes, and two spellings of
// one path would be one too many.
func (t table) find(uri string) *route {
	return t[pathOf(uri)]
}

// pathOf returns what stands before the query of a request URI.
func pathOf(uri string) string {
	path, _, _ := strings.Cut(uri, "?")
	return path
}

// admit refuses what can be refused without reading the body.
func (rt *route) admit(r *http.Request) error {
	switch {
	case !slices.Contains(rt.methods, r.Method):
		return errMethod
	case encoded(r.Header) && (!rt.many || !packed(r.Header)):
		return errContentEncoding
	case r.Method == http.MethodPost && !rt.takes(r.Header):
		return errContentType
	case rt.many && r.ContentLength > maxDelivery:
		return errDeliveryTooLarge
	case !rt.many && r.ContentLength > maxBody:
		return errBodyTooLarge
	}
	return nil
}

// takes tells whether a content type is one of the route's; parameters do not matter.
func (rt *route) takes(h http.Header) bool {
	values := h.Values("Content-Type")
	if len(values) != 1 {
		return false
	}
	media, _, _ := strings.Cut(values[0], ";")
	return slices.Contains(rt.content, strings.ToLower(strings.TrimSpace(media)))
}

// encoded tells whether the body would have to be decoded before it could be
// read. Where it is verified as it stands, it never is: a few bytes could become
// many.
func encoded(h http.Header) bool {
	return slices.ContainsFunc(h.Values("Content-Encoding"), func(v string) bool {
		return v != "" && !strings.EqualFold(v, "identity")
	})
}

// packed tells whether a body is in gzip and nothing else.
func packed(h http.Header) bool {
	values := h.Values("Content-Encoding")
	return len(values) == 1 && strings.EqualFold(values[0], "gzip")
}
