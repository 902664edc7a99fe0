// Package simulate plays the providers: it makes the requests that they would
// send, with correct signatures, and sends them. The demo and the load tests
// use it. It shares no code with the verification that it is checked by, and it
// is never part of serving a real provider.
package simulate
