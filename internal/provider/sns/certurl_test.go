package sns_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/fault"
	"waybill/internal/provider/sns"
)

// A URL that is not the one text is refused without a request, however it is meant.
func TestCertificateURLs(t *testing.T) {
	t.Parallel()
	const host = "https://sns.eu-west-1.amazonaws.com"
	for _, url := range []string{
		"", "file:///etc/ssl/cert.pem", "http://sns.eu-west-1.amazonaws.com/" + certFile, "HTTPS://sns.eu-west-1.amazonaws.com/" + certFile,
		"https://SNS.eu-west-1.amazonaws.com/" + certFile, "https://sns.us-east-1.amazonaws.com/" + certFile,
		"https://sns.eu-west-1.amazonaws.com.cn/" + certFile, "https://sns.eu-west-1.amazonaws.com.evil.tld/" + certFile,
		"https://sns.s3-eu-west-1.amazonaws.com/" + certFile, "https://sns.s3.amazonaws.com/" + certFile, "https://s3.amazonaws.com/sns/" + certFile,
		"https://evil@sns.eu-west-1.amazonaws.com/" + certFile, host + "@evil.tld/" + certFile, host + ":443/" + certFile,
		host + "./" + certFile, host + "/" + certFile + "?x", host + "/" + certFile + "#x", host + "/../" + certFile, host + "//" + certFile,
		host + "/%2e/" + certFile, host + "/%53" + certFile[1:], host + `\` + certFile, host + `\@evil.tld/` + certFile,
		host + "/" + certFile + "%00", host + "/" + certFile + " ", " " + certURL, host + "/" + strings.Replace(certFile, "0", "", 1),
		host + "/" + strings.Replace(certFile, "0", "/", 1), host + "/" + strings.Replace(certFile, "0", "ſ", 1), host + "/other.pem",
	} {
		h := newHouse(t, leaf(t, nil), nil, nil)
		_, err := h.verify(t, "Notification", notification().With("SigningCertURL", url).Signed(t, leafKey()).Body(t))
		refused(t, err, fault.Unverified, "bad_certificate_url")
		require.Zero(t, h.fetches(), url)
		_, err = h.verify(t, "Notification", notification().Signed(t, leafKey()).Body(t))
		require.NoError(t, err)
	}
}

func TestTopicARNs(t *testing.T) {
	t.Parallel()
	for arn, ok := range map[string]bool{
		topicARN: true,
		"arn:aws:sns:us-east-1:123456789012:a.fifo":                      true,
		"arn:aws-cn:sns:cn-northwest-1:123456789012:t":                   true,
		"arn:aws-us-gov:sns:us-gov-west-1:123456789012:t":                true,
		"aws:sns:us-east-1:123456789012:t":                               false,
		"arn:aws:sqs:us-east-1:123456789012:t":                           false,
		"arn:aws:sns:cn-north-1:123456789012:t":                          false,
		"arn:aws-cn:sns:us-east-1:123456789012:t":                        false,
		"arn:aws:sns:us-gov-west-1:123456789012:t":                       false,
		"arn:aws:sns:s3-us-west-2:123456789012:t":                        false,
		"arn:aws:sns:us-east:123456789012:t":                             false,
		"arn:aws:sns:us--1:123456789012:t":                               false,
		"arn:aws:sns:us-East-1:123456789012:t":                           false,
		"arn:aws:sns:us-east-x:123456789012:t":                           false,
		"arn:aws:sns:us-east-1.evil.tld/-a-1:123456789012:t":             false,
		"arn:aws:sns:us-east-1:12345678901:t":                            false,
		"arn:aws:sns:us-east-1:12345678901x:t":                           false,
		"arn:aws:sns:us-east-1:123456789012:":                            false,
		"arn:aws:sns:us-east-1:123456789012:t:sub":                       false,
		"arn:aws:sns:us-east-1:123456789012:a b":                         false,
		"arn:aws:sns:us-east-1:123456789012:a/b":                         false,
		"arn:aws:sns:us-east-1:123456789012:" + strings.Repeat("t", 400): false,
	} {
		require.Equal(t, ok, sns.CheckTopic(arn) == nil, arn)
		h := newHouse(t, leaf(t, nil), nil, nil)
		_, err := h.verify(t, "Notification", notification().With("TopicArn", arn).Signed(t, otherKey()).Body(t))
		switch {
		case !ok:
			refused(t, err, fault.Invalid, "malformed_envelope")
		case arn == topicARN:
			refused(t, err, fault.Unverified, "bad_signature")
		default:
			refused(t, err, fault.Unverified, "bad_certificate_url")
		}
	}
}
