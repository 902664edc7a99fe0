package ses_test

import (
	"testing"

	"waybill/internal/provider/providertest"
	"waybill/internal/provider/ses"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	one := func(name, message string) providertest.Case {
		e := providertest.SNSNotification(topic, message, now)
		return providertest.Case{
			Name: name, Verifier: verifier(t), Parser: ses.Parser{}, Signer: topic, Request: *request(t, e),
			Header: "X-Amz-Sns-Message-Type", Scheme: providertest.Published, SignsBody: true, Sign: providertest.SignSNS(t, e),
		}
	}
	providertest.Suite(t,
		one("event publishing", text(t, bounced("Permanent", "General", object{"emailAddress": jane}))),
		one("feedback", text(t, feedback(complained()))),
	)
}
