// Package routertest plays random stories against a router and tells, from
// rules of its own, where every event must end: sends, callbacks and answers in
// any order, numbers and accounts that change hands, knowledge that is out of
// date, brokers that fail before or after they have written, routers that die.
//
// The same stories run against a store in memory, by the hundred thousand, and
// against PostgreSQL. What tells where events must end (world.go) shares no code
// with what decides in the product; the store in memory decides with the product's own.
package routertest
