// Package messaging holds the rules of SMS and WhatsApp messages: which
// statuses there are, which of two reports of one message is the better one,
// and what one event does to the message's row.
//
//	outbound  intended < accepted < scheduled < queued < sending < sent
//	          < partially_delivered < canceled < failed < undelivered < delivered < read
//	inbound   receiving < received
//
// It promises that every merge is a join (commutative, associative,
// idempotent): any order and any repetition of the same events ends in the same
// row, the row's version aside. A message never goes back, and a status that a
// carrier skipped is not waited for.
//
// It never does I/O, never reads a clock, and keeps no state of its own: all
// functions are pure and safe for concurrent use.
package messaging
