package sns_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/fault"
	"waybill/internal/provider/providertest"
	"waybill/internal/provider/sns"
)

// vector is one message with the claim of its source.
type vector struct {
	ID    string `json:"id"`
	File  string `json:"file"`
	Cert  string `json:"cert"`
	Type  string `json:"type"`
	Valid bool   `json:"valid"`
}

const lambda = "Lambda spells keys in another case; HTTPS never does, and other readers would fold them"

// otherwise lists the vectors whose claim is not ours, and why.
var otherwise = map[string]string{
	"aws-php-lambda-v1":             lambda,
	"aws-php-lambda-v2":             lambda,
	"aws-php-lambda-subject-v1":     lambda,
	"aws-php-lambda-subject-v2":     lambda,
	"aws-php-lambda-subjectnull-v1": lambda,
	"aws-php-lambda-subjectnull-v2": lambda,
	"own-neg-self-signed":           "AWS serves the leaf alone: TLS to its host is the chain, so who issued it is not asked",
}

func TestVectors(t *testing.T) {
	t.Parallel()
	dir := providertest.Vectors(t, "sns")
	var vectors []vector
	providertest.ReadJSON(t, filepath.Join(dir, "manifest.json"), &vectors)
	var n providertest.Tally
	exempt := 0
	for _, v := range vectors {
		n.Claimed++
		_, other := otherwise[v.ID]
		if other {
			exempt++
			n.Exempt++
		}
		if t.Run(v.ID, func(t *testing.T) { v.check(t, dir, v.Valid != other) }) {
			n.AsIs++
		}
	}
	require.Len(t, otherwise, exempt, "an exception without its vector")
	n.Log(t, "sns")
}

func (v *vector) check(t *testing.T, dir string, accept bool) {
	body, err := os.ReadFile(filepath.Join(dir, v.File))
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(dir, v.Cert))
	require.NoError(t, err)
	var f fields
	providertest.ReadJSON(t, filepath.Join(dir, v.File), &f)
	at, err := time.Parse(time.RFC3339, f["Timestamp"].(string))
	require.NoError(t, err)
	h := newHouse(t, text, nil, func(o *sns.Options) { o.Now = func() time.Time { return at } })
	m, err := h.verify(t, v.Type, body)
	if !accept {
		require.Contains(t, []fault.Class{fault.Unverified, fault.Invalid}, fault.ClassOf(err))
		return
	}
	require.NoError(t, err)
	require.Equal(t, f["Message"], m.Body)
	require.Equal(t, f["MessageId"], m.ID)
	// The same said in other words: another order of keys, all escaped that can be.
	again, err := h.verify(t, v.Type, f.Body(t))
	require.NoError(t, err)
	require.Equal(t, m, again)
}

// What Connect sends through SNS is signed by the same key as ours here.
func TestVectorsOfConnect(t *testing.T) {
	t.Parallel()
	signer, err := os.ReadFile(filepath.Join(providertest.Vectors(t, "sns"), "own", "signer.pem"))
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(providertest.Vectors(t, "connect"), "sns", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		body, err := os.ReadFile(file)
		require.NoError(t, err)
		_, err = newHouse(t, signer, nil, func(o *sns.Options) { o.MaxAge = 0 }).verify(t, "Notification", body)
		require.NoError(t, err, file)
	}
	t.Logf("vectors connect through sns: %d of %d accepted", len(files), len(files))
}

func TestVectorsOfURLs(t *testing.T) {
	t.Parallel()
	var urls []struct {
		URL     string `json:"url"`
		Allowed bool   `json:"allowed"`
	}
	providertest.ReadJSON(t, filepath.Join(providertest.Vectors(t, "sns"), "signing_cert_urls.json"), &urls)
	require.NotEmpty(t, urls)
	topics := map[string]string{
		"eu-west-1": topicARN, "us-west-2": "arn:aws:sns:us-west-2:123456789012:t",
		"us-gov-west-1": "arn:aws-us-gov:sns:us-gov-west-1:123456789012:t", "cn-north-1": "arn:aws-cn:sns:cn-north-1:123456789012:t",
	}
	for _, u := range urls {
		asked := false
		h := newHouse(t, nil, nil, func(o *sns.Options) {
			o.Fetch = func(context.Context, string) ([]byte, error) { asked = true; return nil, http.ErrServerClosed }
		})
		// The region most in its favour: the one that it names.
		arn := topicARN
		for region, of := range topics {
			if strings.HasPrefix(u.URL, "https://sns."+region+".amazonaws.com") {
				arn = of
			}
		}
		_, err := h.verify(t, "Notification", notification().With("TopicArn", arn, "SigningCertURL", u.URL).Signed(t, leafKey()).Body(t))
		require.Equal(t, u.Allowed, asked, u.URL)
		if !u.Allowed {
			refused(t, err, fault.Unverified, "bad_certificate_url")
		}
	}
	t.Logf("vectors sns urls: %d of %d as claimed", len(urls), len(urls))
}
