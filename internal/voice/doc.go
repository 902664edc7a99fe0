// Package voice holds the rules of calls and contacts and of their recordings:
// which statuses there are, which of two reports of one call is the better one,
// and what one event does to the call's row.
//
//	call       intended < queued < initiated < ringing < in_progress
//	           < failed < canceled < busy < no_answer < completed
//	recording  in_progress < absent < failed < completed
//
// A contact of Amazon Connect ends whether or not anybody answered it. Its row
// says no_answer until an agent is known to have connected, then completed.
//
// It promises that every merge is a join (commutative, associative,
// idempotent): any order and any repetition of the same events ends in the same
// row, the row's version aside, and the count of a fact, which adds up. A call
// never goes back, and a status that a provider skipped is not waited for. Every
// leg of a call is a call of its own, with a row of its own.
//
// It never does I/O, never reads a clock, and keeps no state of its own: all
// functions are pure and safe for concurrent use.
package voice
