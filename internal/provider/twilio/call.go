package twilio

import (
	"strconv"
	"strings"

	"waybill/internal/events"
	"waybill/internal/facts"
	"waybill/internal/provider"
	"waybill/internal/tenantmap"
)

// callStatuses are Twilio's call statuses and what a dialled leg's result may
// say beside them, with our names for them.
var callStatuses = map[string]string{
	"queued":      "queued",
	"initiated":   "initiated",
	"ringing":     "ringing",
	"in-progress": "in_progress",
	"answered":    "in_progress", // <Dial> of a conference
	"completed":   "completed",
	"busy":        "busy",
	"failed":      "failed",
	"no-answer":   "no_answer",
	"canceled":    "canceled",
}

// Facts of calls that only Twilio tells. They are stored, and so promises.
const (
	factAnsweredBy  = "answered_by"  // human, machine_start, fax, ...
	factStirVerstat = "stir_verstat" // how far the caller's number is vouched for
	factDialStatus  = "dial_status"  // of a <Dial> that made no leg
)

// parseCall reads a call's status or progress, or who answered it: that comes
// without a status.
func parseCall(raw *events.Raw, in *reader) (provider.Parsed, error) {
	said := in.get(paramCallStatus)
	source, sequence := in.get(paramSource), in.get(paramSequence)
	machine := said == "" && !in.has(paramCallStatus) && isToken(in.get(paramAnsweredBy), maxStatus)
	named := in.problem == "" && (machine || isToken(said, maxStatus)) &&
		(source == "" || isToken(source, maxSource)) && (sequence == "" || isSequence(sequence))
	echo := echoed(raw, in)
	c := in.call(raw)

	c.Status = callStatuses[said]
	in.check(c.Status != "" || machine, invalidStatus)
	in.check(source == "" || isToken(source, maxSource), invalidSource)
	in.check(sequence == "" || isSequence(sequence), invalidSequence)
	if n, err := strconv.Atoi(sequence); err == nil {
		c.Sequence = &n
	}
	c.ErrorCode = in.code(paramErrorCode, paramSIP)
	c.Facts = in.facts(&c)
	c.Recording = in.recorded()

	p := provider.Parsed{Evidence: callEvidence(raw, &c, echo)}
	if named && c.ProviderID != "" {
		natural := []string{c.ProviderID, source, sequence, said}
		if machine {
			natural = []string{c.ProviderID, factAnsweredBy, in.get(paramAnsweredBy)}
		}
		p.EventID = events.NewEventID(events.Twilio, raw.Signer, raw.Kind, natural...)
	}
	return called(p, &c, in)
}

// parseInboundCall reads that somebody calls one of our numbers.
func parseInboundCall(raw *events.Raw, in *reader) (provider.Parsed, error) {
	c := in.call(raw)
	c.Direction, c.Status = events.Inbound, "ringing"
	if in.has(paramCallStatus) {
		c.Status = callStatuses[in.get(paramCallStatus)]
	}
	in.check(c.Status != "", invalidStatus)
	c.Facts = in.facts(&c)

	p := provider.Parsed{Evidence: callEvidence(raw, &c, "")}
	if c.ProviderID != "" {
		p.EventID = events.NewEventID(events.Twilio, raw.Signer, raw.Kind, c.ProviderID)
	}
	return called(p, &c, in)
}

// parseDial reads the result of a <Dial>. It is about the leg that was dialled,
// which is a call of its own; about the call itself if no leg was made.
func parseDial(raw *events.Raw, in *reader) (provider.Parsed, error) {
	result := in.get(paramDialStatus)
	named := in.problem == "" && isToken(result, maxStatus)
	echo := echoed(raw, in)
	c := in.call(raw)
	status := callStatuses[result]
	in.check(status != "", invalidStatus)

	if leg := in.get(paramDialCall); leg != "" {
		if !in.check(isSID(leg, "CA"), invalidSID) {
			leg = ""
		}
		// The addresses are those of the call, not of the leg; so is who answered.
		c.ParentID, c.ProviderID, c.From, c.To = c.ProviderID, leg, "", ""
		c.Direction, c.Status, c.ErrorCode = events.Outbound, status, in.code(paramDialSIP)
		if seconds, ok := in.number(paramDialDuration); ok {
			c.Facts = append(c.Facts, facts.Fact{Name: facts.Duration, Value: strconv.FormatInt(seconds, 10), At: c.OccurredAt})
		}
	} else {
		c.Status = callStatuses[in.get(paramCallStatus)]
		c.Facts = append(c.Facts, facts.Fact{Name: factDialStatus, Value: status, At: c.OccurredAt})
	}

	p := provider.Parsed{Evidence: callEvidence(raw, &c, echo)}
	if named && c.ProviderID != "" {
		p.EventID = events.NewEventID(events.Twilio, raw.Signer, raw.Kind, c.ProviderID, result)
	}
	return called(p, &c, in)
}

func called(p provider.Parsed, c *events.Call, in *reader) (provider.Parsed, error) {
	if err := in.err(); err != nil {
		return p, err
	}
	p.Call = c
	return p, nil
}

// call reads what every callback of a call may hold.
func (r *reader) call(raw *events.Raw) events.Call {
	r.owned(raw)
	sid, parent := r.get(paramCall), r.get(paramParent)
	if !r.check(isSID(sid, "CA"), invalidSID) {
		sid = ""
	}
	if !r.check(parent == "" || isSID(parent, "CA"), invalidSID) {
		parent = ""
	}
	c := events.Call{
		Kind: raw.Kind, Provider: events.Twilio, ProviderID: sid, ParentID: parent, Account: raw.Signer,
		From: r.address(paramFrom), To: r.address(paramTo), OccurredAt: r.time(paramTimestamp), ReceivedAt: raw.ReceivedAt,
	}
	switch direction := r.get(paramDirection); {
	case direction == "inbound":
		c.Direction = events.Inbound
	case strings.HasPrefix(direction, "outbound"):
		c.Direction = events.Outbound
	}
	return c
}

// facts reads what is told beside the status. What cannot be read is left out:
// a status is worth more than its length.
func (r *reader) facts(c *events.Call) []facts.Fact {
	var told []facts.Fact
	tell := func(name, value string, ok bool) {
		if ok {
			told = append(told, facts.Fact{Name: name, Value: value, At: c.OccurredAt})
		}
	}
	seconds, ok := r.number(paramDuration)
	tell(facts.Duration, strconv.FormatInt(seconds, 10), ok)
	by := r.get(paramAnsweredBy)
	tell(factAnsweredBy, by, isToken(by, maxStatus))
	stir := r.get(paramStir)
	tell(factStirVerstat, stir, isToken(stir, maxStir))
	return told
}

// callEvidence returns what a call's event tells about whose it is.
//
// A leg is a part of its call, whose id is in the URL that the sender wrote, and
// its From is whoever called first: neither tells whose the leg is by itself.
func callEvidence(raw *events.Raw, c *events.Call, echo string) tenantmap.Evidence {
	e := tenantmap.Evidence{Provider: events.Twilio, Signer: raw.Signer, ProviderID: c.ProviderID, At: raw.ReceivedAt}
	if c.OccurredAt != nil && c.OccurredAt.Before(e.At) {
		e.At = *c.OccurredAt
	}
	if c.ProviderID != "" {
		e.Resources = append(e.Resources, tenantmap.ResourceKey(events.Twilio, c.ProviderID))
	}
	if c.ParentID != "" {
		e.Parents = append(e.Parents, tenantmap.ResourceKey(events.Twilio, c.ParentID))
	}
	if echo != "" {
		if c.ParentID != "" {
			e.Parents = append(e.Parents, tenantmap.EchoKey(echo))
		} else {
			e.Resources = append(e.Resources, tenantmap.EchoKey(echo))
		}
	}
	var ours string
	switch {
	case c.ParentID != "":
	case c.Direction == events.Inbound:
		ours, e.Person, e.Inbound = c.To, tenantmap.NormaliseSender(c.From), true
	case c.Direction == events.Outbound:
		ours = c.From
	}
	if ours != "" {
		e.Senders = append(e.Senders, tenantmap.SenderKey(ours))
	}
	return e
}
