// Package billing holds the rules of Stripe's objects (subscriptions, invoices,
// charges and checkout sessions): which events speak of one, and which status
// is the right one when events come late, twice or several in one second.
//
// Stripe promises no order, and its clock counts whole seconds. So a row keeps
// what the newest second said, all of it, and derives the status from that set.
// An object that has ended (canceled, paid, failed ...) stays ended.
//
// The package promises that the merge is a join (commutative, associative,
// idempotent): any order and any repetition of the same events ends in the same
// row, the row's version aside. It never does I/O, never reads a clock and
// belongs to no organisation; all functions are pure.
package billing
