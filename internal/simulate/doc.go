// Package simulate plays the providers: it makes the requests that they would
// send, with correct signatures, and sends them, in any weather. [Run] keeps a
// model of what was told and compares it with what is on record:
//
//	stories ─> agenda ─> callbacks and send records ─> acknowledged, refused, unsure
//	   └─> model ──────────── comparison ─────────────> report
//
// It plays Twilio's messages and calls, Amazon SES and Amazon Connect through a
// topic, an API destination and Firehose, and Stripe; a [Mix] says how much of
// each. As SNS it signs with a [Certificate] that ingest has to pin.
//
// It shares no code with the verification that it is checked by, nor with the
// rules that decide a row, and it is never part of serving a real provider.
package simulate
