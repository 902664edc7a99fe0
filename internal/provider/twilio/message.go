package twilio

import (
	"waybill/internal/events"
	"waybill/internal/provider"
	"waybill/internal/tenantmap"
)

// statuses are Twilio's message statuses with the direction that they belong to.
var statuses = map[string]events.Direction{
	"accepted":            events.Outbound,
	"scheduled":           events.Outbound,
	"queued":              events.Outbound,
	"sending":             events.Outbound,
	"sent":                events.Outbound,
	"partially_delivered": events.Outbound,
	"delivered":           events.Outbound,
	"undelivered":         events.Outbound,
	"failed":              events.Outbound,
	"canceled":            events.Outbound,
	"read":                events.Outbound,
	"receiving":           events.Inbound,
	"received":            events.Inbound,
}

// parseStatus reads a status callback. An unknown status is a dead letter that
// keeps its event id, so that a Waybill that knows it can replay it.
func parseStatus(raw *events.Raw, in *reader) (provider.Parsed, error) {
	status := in.either(paramStatus, paramSMSStatus)
	code := in.get(paramErrorCode)
	named := in.problem == "" && isToken(status, maxStatus) && (code == "" || isToken(code, maxCode))
	echo := echoed(raw, in)
	m := in.message(raw)

	direction, known := statuses[status]
	in.check(known, invalidStatus)
	in.check(code == "" || isToken(code, maxCode), invalidCode)
	m.Direction, m.Status, m.ErrorCode = direction, status, code

	p := provider.Parsed{Evidence: evidence(raw, &m, m.From, m.Service)}
	if echo != "" {
		p.Evidence.Resources = append(p.Evidence.Resources, tenantmap.EchoKey(echo))
	}
	if named && m.ProviderID != "" {
		p.EventID = events.NewEventID(events.Twilio, raw.Signer, raw.Kind, m.ProviderID, status, code)
	}
	if err := in.err(); err != nil {
		return p, err
	}
	p.Message = &m
	return p, nil
}

// echoed returns our own message id, which the sender put into the callback's
// URL; "" if there is none. The query is signed with the rest of the URL.
func echoed(raw *events.Raw, in *reader) string {
	query := reader{params: parseForm(queryOf(raw.URI))}
	id, err := events.ParseUUID(query.get(paramEcho))
	in.check(query.problem == "", invalidRepeated)
	if err != nil {
		return ""
	}
	return id
}

// parseInbound reads a message that somebody sent to one of our senders.
func parseInbound(raw *events.Raw, in *reader) (provider.Parsed, error) {
	m := in.message(raw)
	m.Direction, m.Status = events.Inbound, "received"
	m.Body = in.get(paramBody)
	in.check(len(m.Body) <= maxBody, invalidBody)
	m.Media = in.media()
	m.OptOutType = in.optOutType()

	p := provider.Parsed{Evidence: evidence(raw, &m, m.To, m.Service)}
	p.Evidence.Person = tenantmap.NormaliseSender(m.From)
	if m.ProviderID != "" {
		p.EventID = events.NewEventID(events.Twilio, raw.Signer, raw.Kind, m.ProviderID)
	}
	if err := in.err(); err != nil {
		return p, err
	}
	p.Message = &m
	return p, nil
}

// optOutType returns what Advanced Opt-Out took the message for: STOP, START or
// HELP. Anything else, or several at once, is as if nothing had been said: the
// message is worth more than a word of it that is not understood.
func (r *reader) optOutType() string {
	var said string
	for _, p := range r.params {
		switch {
		case p.name != paramOptOut || p.value == said:
		case said != "":
			return ""
		default:
			said = p.value
		}
	}
	switch said {
	case "STOP", "START", "HELP":
		return said
	}
	return ""
}

// media returns the URLs of a message's attachments.
func (r *reader) media() []string {
	var urls []string
	for i := range maxMedia {
		u := r.get(mediaName(i))
		if u == "" {
			break
		}
		r.check(len(u) <= maxURL, invalidMedia)
		urls = append(urls, u)
	}
	return urls
}
