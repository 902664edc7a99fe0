// Package campaign counts the messages of campaigns: how many are in each
// status now, and how many ever reached it.
//
// It promises that the counters are a sum over the rows and nothing else: what
// a row counts for depends on the row alone, and a change of a row changes the
// counters by the difference. So they add up whatever happens to a row, in any
// order, and can be recounted at any time.
//
// It never does I/O and knows no statuses: their names come from the channel's
// own rules.
package campaign
