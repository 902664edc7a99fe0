// Package consent says what an event decides of somebody's consent to be
// written to, and which of two decisions holds. It is pure.
//
// A decision is about one address at one sender of one organisation: whoever
// writes STOP to a number has not opted out of the others. An e-mail address
// that bounces for good or complains has opted out of every sender of its
// channel. The latest decision holds; of two at the same moment, the one that
// opts out.
package consent
