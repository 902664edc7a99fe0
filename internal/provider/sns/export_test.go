package sns

// What the tests of fetching need from inside: connections of their own.
var (
	FetchOver    = fetchOver
	PublicDialer = publicDialer
	Public       = public
)

// CertificateFile is the rule of certificates' URLs, for a topic's ARN; ok is
// false where either is refused.
func CertificateFile(arn, url string) (file string, ok bool) {
	t, ok := parseTopic(arn)
	if !ok {
		return "", false
	}
	return t.certificateFile(url)
}
