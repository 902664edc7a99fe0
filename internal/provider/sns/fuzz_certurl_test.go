package sns_test

import (
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/provider/providertest"
	"waybill/internal/provider/sns"
)

var certPath = regexp.MustCompile(`^/SimpleNotificationService-[A-Za-z0-9]{32}\.pem$`)

// FuzzCertificateURL tries URLs against the rule that decides what is fetched.
// Whatever passes is, by net/url's reading, on the host of SNS in the topic's
// own region, and nothing but a path stands behind it.
func FuzzCertificateURL(f *testing.F) {
	f.Add(topicARN, certURL)
	f.Add("arn:aws-cn:sns:cn-north-1:123456789012:t", "https://sns.cn-north-1.amazonaws.com.cn/"+certFile)
	f.Add("arn:aws-us-gov:sns:us-gov-west-1:123456789012:t", "https://sns.us-gov-west-1.amazonaws.com/"+certFile)
	f.Add("arn:aws:sns:s3-us-west-2:123456789012:t", "https://sns.s3-us-west-2.amazonaws.com/"+certFile)
	f.Add("arn:aws:sns:us-east-1.evil.tld/-a-1:123456789012:t", "https://sns.us-east-1.evil.tld/-a-1.amazonaws.com/"+certFile)
	if dir, ok := providertest.TryVectors("sns"); ok {
		var urls []struct{ URL string }
		providertest.ReadJSON(f, filepath.Join(dir, "signing_cert_urls.json"), &urls)
		require.NotEmpty(f, urls)
		for _, u := range urls {
			f.Add(topicARN, u.URL)
		}
	}
	f.Fuzz(func(t *testing.T, arn, text string) {
		file, ok := sns.CertificateFile(arn, text)
		if !ok {
			return
		}
		u, err := url.Parse(text)
		require.NoError(t, err)
		region := strings.Split(arn, ":")[3]
		host := "sns." + region + ".amazonaws.com"
		if strings.HasPrefix(region, "cn-") {
			host += ".cn"
		}
		require.NotContains(t, region, "s3")
		require.Equal(t, url.URL{Scheme: "https", Host: host, Path: u.Path}, *u, "no user, port, query, fragment or escape")
		require.Regexp(t, certPath, u.Path)
		require.Equal(t, file, path.Base(u.Path))
		require.Equal(t, text, u.String())
	})
}
