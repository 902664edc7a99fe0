// Package simulate plays the providers: it makes the requests that they would
// send, with correct signatures, and sends them, in any weather. [Run] keeps a
// model of what was told and compares it with what is on record:
//
//	stories ─> agenda ─> callbacks and send records ─> acknowledged, refused, unsure
//	   └─> model ──────────── comparison ─────────────> report
//
// It shares no code with the verification that it is checked by, nor with the
// rules that decide a row, and it is never part of serving a real provider.
package simulate
