package simulate

import "waybill/internal/events"

// outline is how a message may go, and how often it goes so.
type outline struct {
	weight  int
	channel events.Channel
	steps   []state
}

// outlines are what Twilio reports of messages, from
// https://www.twilio.com/docs/messaging/guides/track-outbound-message-status.
var outlines = []outline{
	{55, events.SMS, []state{{"queued", ""}, {"sent", ""}, {"delivered", ""}}},
	{15, events.SMS, []state{{"queued", ""}, {"sending", ""}, {"sent", ""}, {"delivered", ""}}},
	{5, events.SMS, []state{{"accepted", ""}, {"queued", ""}, {"sent", ""}, {"delivered", ""}}},
	{4, events.SMS, []state{{"queued", ""}, {"sent", ""}}}, // a carrier without receipts
	{4, events.SMS, []state{{"queued", ""}, {"sent", ""}, {"undelivered", "30003"}}},
	{3, events.SMS, []state{{"queued", ""}, {"sent", ""}, {"undelivered", "30005"}}},
	{2, events.SMS, []state{{"queued", ""}, {"sent", ""}, {"undelivered", "30008"}, {"undelivered", "30006"}}},
	{2, events.SMS, []state{{"queued", ""}, {"sent", ""}, {"undelivered", "30003"}, {"delivered", ""}}}, // the carrier corrects itself
	{3, events.SMS, []state{{"queued", ""}, {"failed", "30007"}}},
	{1, events.SMS, []state{{"scheduled", ""}, {"canceled", ""}}},
	{4, events.WhatsApp, []state{{"queued", ""}, {"sent", ""}, {"delivered", ""}, {"read", ""}}},
	{2, events.WhatsApp, []state{{"queued", ""}, {"sent", ""}, {"undelivered", "63016"}}},
}

// pick draws one of a list, each as often as its weight says.
func pick[T any](p *playwright, all []T, weight func(*T) int) *T {
	sum := 0
	for i := range all {
		sum += weight(&all[i])
	}
	n, i := p.random.IntN(sum), 0
	for ; n >= weight(&all[i]); i++ {
		n -= weight(&all[i])
	}
	return &all[i]
}
