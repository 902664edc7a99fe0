package operate

import (
	"slices"
	"strings"
)

// advice says, for each reason of a refusal, what it means and what to do next.
var advice = map[string]string{
	"": "nothing: ingest accepts it now. If it was refused, the account, its secret or WAYBILL_PUBLIC_URL was entered later, or the process runs with another environment",

	"missing_signature":   "no signature came: a person or a scanner called, or a proxy drops the header (X-Twilio-Signature, Stripe-Signature)",
	"malformed_signature": "the signature header is not as the provider writes it: look for a proxy that joins or cuts headers",
	"bad_signature":       "no registered secret made this signature over this request: compare the account's secret at the provider with the one entered (it may have been rotated), and have a proxy pass URL and body byte for byte; else it is forged. Of SNS: the body was changed on its way, or it is forged",
	"url_mismatch":        "signed with the right secret over another spelling of the URL: save a whole request and run `waybill doctor request` on it, or compare the URL at the provider with WAYBILL_PUBLIC_URL: scheme, port, path, slash at the end, query",
	"missing_body_hash":   "a JSON request without bodySHA256 in its query: have the proxy keep the query, or have the provider send forms",
	"bad_body_hash":       "the body is not the one whose bodySHA256 was signed: a proxy wrote the JSON anew",
	"missing_settings":    "signed with HMAC-SHA256, and the header that names the shared key did not come: have the proxy pass on X-Twilio-Webhooks-Signature-Settings",
	"malformed_settings":  "X-Twilio-Webhooks-Signature-Settings is not as Twilio writes it: look for a proxy that joins, cuts or repeats headers; else it is forged",
	"unknown_algorithm":   "X-Twilio-Webhooks-Signature-Settings names an algorithm that is not Twilio's HMAC_SHA256 or HMAC_SHA1: it is forged, or Twilio has a new one",
	"unknown_key":         "the shared key that the request names is not registered for its account: `waybill account add twilio --shared-key-id ... --shared-key-file ...`",
	"no_auth_token":       "signed with the auth token, and the account has shared keys alone here: have a rule at Twilio sign this URL with the shared key, or add the token with `waybill account add twilio --auth-token-file`",
	"unsure_key":          "ingest does not know yet whether there is such a key: look whether it reaches Kafka; the provider sends it again",
	"unknown_account":     "the account is not registered: `waybill account add twilio`, a subaccount has a token of its own",
	"unsure_account":      "ingest does not know yet who may sign: look whether it reaches Kafka; the provider sends it again",
	"no_secret":           "no endpoint's signing secret is registered: `waybill account add stripe`",
	"unsure_secret":       "ingest does not know yet who may sign: look whether it reaches Kafka; the provider sends it again",
	"unsure_number":       "ingest does not know yet where calls to this number go: look whether it reaches Kafka; Twilio calls the number's fallback URL",
	"empty_secret":        "a registered secret cannot be used: give every process the same WAYBILL_SECRET_KEY, or enter the secret again with `waybill account add`",
	"stale":               "well signed, but its time is too far from the time it came (300 s for Stripe, WAYBILL_SNS_MAX_AGE for SNS): a request kept and played again, or a clock that is off; compare ingest's clock with NTP",

	"raw_delivery":            "SNS delivered the bare message, which nobody signs: switch raw message delivery off for the subscription",
	"malformed_envelope":      "not an envelope as SNS writes it: have a proxy pass the body on byte for byte, and look whether the subscription is one of SNS",
	"type_mismatch":           "the header x-amz-sns-message-type is missing or says another type than the body: a proxy drops or changes it, or somebody made the request up",
	"unknown_topic":           "the topic is not registered for this path: `waybill account add sns`, --for ses or --for connect; anybody can own a topic, so others stay refused",
	"unsure_topic":            "ingest does not know yet which topics are registered: look whether it reaches Kafka; SNS sends it again",
	"unbound_topic":           "it is not registered which instance's events the topic carries, or two are: `waybill account add sns --for connect` with its --instance-arn, or remove one; if it is, give every process the same WAYBILL_SECRET_KEY",
	"unsupported_version":     "a signature version that is not taken: with WAYBILL_SNS_REFUSE_SHA1 set the topic's attribute SignatureVersion to 2; any other is forged",
	"bad_certificate_url":     "the certificate is not where AWS keeps the topic's: it is forged, or a proxy wrote the body anew",
	"certificate_expired":     "the certificate that signed it is not valid now: compare ingest's clock with NTP; else it is an old request played again",
	"certificate_name":        "the certificate that signed it is not SNS's",
	"certificate_malformed":   "what was fetched is no certificate: look whether ingest reaches AWS itself and not a page of a proxy; SNS sends it again",
	"certificate_unavailable": "the certificate could not be fetched: let ingest reach sns.REGION.amazonaws.com on port 443 without a proxy, or set WAYBILL_SNS_CERT_DIR; SNS sends it again",
	"certificate_timeout":     "the certificate did not come in time: let ingest reach sns.REGION.amazonaws.com on port 443, or set WAYBILL_SNS_CERT_DIR; SNS sends it again",
	"certificate_redirected":  "AWS's host answered with another address, which it never does: look what stands between ingest and AWS; SNS sends it again",
	"certificate_blocked":     "the name of AWS's host leads to a private address, which is never asked: with a VPC endpoint for SNS set WAYBILL_SNS_CERT_DIR; SNS sends it again",
	"certificate_not_pinned":  "the certificate that signed it is not in WAYBILL_SNS_CERT_DIR: add it; AWS changed it. SNS sends it again",

	"missing_key":          "no key came, or two: a person or a scanner called, or a proxy drops the header (X-Waybill-Api-Key, X-Amz-Firehose-Access-Key)",
	"bad_key":              "nobody's key: compare the one in AWS with those entered, `waybill account list`; each is for its own header, and two instances must not share one",
	"empty_key":            "nobody's key, but a registered one cannot be used: give every process the same WAYBILL_SECRET_KEY, or enter the key again with `waybill account add connect`",
	"busy":                 "two requests of Firehose of the same instance are being read, or three of all, which is as many as one ingest takes: add ingest processes if it is often; Firehose sends it again",
	"request_too_large":    "more than 64 MiB, which Firehose never sends: lower its buffer size, or look who calls; Firehose sends it again and then keeps it in its backup",
	"record_too_large":     "a record above 1,024,000 bytes, which Firehose never sends: look who calls",
	"too_many_records":     "more than 10,000 records or 20,000 documents: lower Firehose's buffer size; it sends it again and then keeps it in its backup",
	"malformed_request":    "not a request as Firehose writes it: look whether a proxy changes the body, and who calls",
	"malformed_gzip":       "said to be gzip and is not, or is damaged: look for a proxy that unpacks bodies and leaves the header",
	"cut_short":            "the body ended too early or came too slowly: look at the connection and the proxy before ingest; Firehose sends it again",
	"request_id_mismatch":  "the header names another request than the body, or the body names none: look whether a proxy mixes requests, and who calls",
	"unsupported_encoding": "a Content-Encoding that is not gzip: look for a proxy that packs requests",

	"unknown_path":     "no path of Waybill's: compare the URL at the provider with WAYBILL_PUBLIC_URL and /api/webhooks/...; a proxy may add or take away a prefix",
	"bad_method":       "a method that this path does not take: providers send POST (Twilio GET, too); a redirect by a proxy turns POST into GET",
	"content_type":     "a Content-Type that this path does not take: Twilio sends forms or JSON, SNS text or JSON, Stripe and Firehose JSON; look for a proxy that changes or repeats it",
	"content_encoding": "a compressed body, which no provider on this path sends (Firehose alone may, in gzip): have the proxy not compress requests",
	"body_too_large":   "a body above 1 MB, which no provider on this path sends",
	"body_timeout":     "the body did not come in time: a slow or broken connection, or a proxy that does not pass it on",
	"body_unreadable":  "the body broke off or its chunks are wrong: look at the connection and the proxy before ingest",
	"header_too_large": "a header block above the limit: look for a proxy that adds much",
	"malformed":        "not HTTP as ingest reads it: a scanner, or TLS sent to a port without it",
	"header_timeout":   "no header block came in time: an idle or hostile connection",
	"overloaded":       "more at once than WAYBILL_INGEST_MAX_INFLIGHT_BYTES allows: add ingest processes; the provider sends it again",
	"draining":         "the process was about to stop; the provider sends it again",
	"publish_failed":   "Kafka did not take it: run `waybill doctor`; the provider sends it again",
	"publish_timeout":  "Kafka did not answer in time: run `waybill doctor`; the provider sends it again",
	"panic":            "a fault of Waybill's own: report the line with its stack from ingest's log",
	"internal":         "a fault of Waybill's own: report the line from ingest's log",
}

// Advice says what a reason of ingest's means and what to do next; "" stands for
// a request that is accepted.
func Advice(reason string) string {
	if a, ok := advice[reason]; ok {
		return a
	}
	return "a reason that this version does not know: use the version that ingest has"
}

// KnownReason tells whether a reason is one of ingest's.
func KnownReason(reason string) bool {
	_, ok := advice[reason]
	return ok && reason != ""
}

// signs are the headers of which every genuine request has one.
var signs = []string{
	"x-twilio-signature", "stripe-signature", "x-amz-sns-message-type", "x-waybill-api-key", "x-amz-firehose-access-key",
}

// Notice says what the names of a sample's headers and of its query tell.
func Notice(headers, query []string) []string {
	var out []string
	has := func(name string) bool {
		return slices.ContainsFunc(headers, func(h string) bool { return strings.EqualFold(h, name) })
	}
	if !slices.ContainsFunc(signs, has) {
		out = append(out, "no signature header came with it")
	}
	if has("x-forwarded-host") || has("x-forwarded-proto") || has("x-forwarded-prefix") || has("via") {
		out = append(out, "it came through a proxy that says so: look whether that changes host, path or query")
	}
	if len(query) > 0 {
		out = append(out, "it has a query, which is signed byte for byte")
	}
	return out
}
