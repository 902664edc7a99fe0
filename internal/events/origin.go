package events

// Origins of a row: how we know of the message or call, the weakest first.
const (
	OriginExternal = "external" // no send record was seen: sent by something else, or its record is late
	OriginSend     = "send"     // a campaign sender recorded it
	OriginInbound  = "inbound"  // somebody wrote to us or called us
)

// OriginOf returns the origin that an event of that kind and direction shows.
func OriginOf(k Kind, d Direction) string {
	switch {
	case k == KindSend:
		return OriginSend
	case d == Inbound:
		return OriginInbound
	}
	return OriginExternal
}

// OriginRank returns the place of an origin, the stronger above: from 1; 0 of
// any other text.
func OriginRank(origin string) int {
	switch origin {
	case OriginExternal:
		return 1
	case OriginSend:
		return 2
	case OriginInbound:
		return 3
	}
	return 0
}
