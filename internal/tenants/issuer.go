package tenants

import "waybill/internal/events"

// SignsFor returns the provider whose events an account signs: of an SNS topic
// that is its purpose, of any other the issuer itself.
func SignsFor(i Issuer, purpose string) events.Provider {
	if i == SNS {
		return events.Provider(purpose)
	}
	return events.Provider(i)
}

// Signing returns the issuer and purpose of the accounts that events of a
// provider are verified as. Those of Amazon Connect are verified as its
// instances by whichever way they come; a topic that carries them entitles
// nobody by itself.
func Signing(p events.Provider) (i Issuer, purpose string) {
	if p == events.SES {
		return SNS, string(events.SES)
	}
	return Issuer(p), ""
}
