// Package email holds the rules of e-mails: which statuses there are, which of
// two reports is the better one, how the status of an e-mail follows from those
// of its recipients, and what one event does to the e-mail's row.
//
//	one recipient   intended < sent < delayed < bounced_transient < delivered < bounced_permanent
//	                rejected and rendering_failed end the e-mail for all of them
//	the e-mail      intended < sent < delayed < delivered < bounced_transient < bounced_permanent
//	                < rejected < rendering_failed
//
// Of one recipient the best report holds. Of the e-mail the worst of its
// recipients does: where nothing is final yet that is the one that is furthest,
// else the worst of what is final.
//
// It promises that every merge is a join (commutative, associative,
// idempotent): any order of the same events ends in the same row, the row's
// version aside, and so does any repetition, the counts of facts aside. A
// recipient never goes back; the e-mail may, where a recipient that bounced
// turns out to have got it.
//
// It never does I/O, never reads a clock, and keeps no state of its own: all
// functions are pure and safe for concurrent use.
package email
