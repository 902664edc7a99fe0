package sns

import (
	"errors"
	"strings"
)

// topic is what a topic's ARN says of where its messages come from.
type topic struct {
	region string
	suffix string // of AWS's hosts in its partition
}

// maxARN is the longest ARN that a record can be kept under, in bytes. AWS's
// longest have a little more.
const maxARN = 256

// ErrTopic is returned for a text that is not the ARN of a topic.
var ErrTopic = errors.New("not the ARN of an SNS topic: want arn:PARTITION:sns:REGION:ACCOUNT:NAME, 256 bytes at most")

// CheckTopic tells whether a text is the ARN of a topic that could ever be
// verified.
func CheckTopic(arn string) error {
	if _, ok := parseTopic(arn); !ok {
		return ErrTopic
	}
	return nil
}

// parseTopic reads arn:PARTITION:sns:REGION:ACCOUNT:NAME. Partitions whose
// hosts are on no public network are not known.
func parseTopic(arn string) (t topic, ok bool) {
	if !visible(arn, maxARN) {
		return t, false
	}
	partition, rest, _ := strings.Cut(strings.TrimPrefix(arn, "arn:"), ":")
	service, rest, _ := strings.Cut(rest, ":")
	region, rest, _ := strings.Cut(rest, ":")
	account, name, _ := strings.Cut(rest, ":")
	want, suffix := "aws", "amazonaws.com"
	switch {
	case strings.HasPrefix(region, "cn-"):
		want, suffix = "aws-cn", "amazonaws.com.cn"
	case strings.HasPrefix(region, "us-gov-"):
		want = "aws-us-gov"
	}
	ok = strings.HasPrefix(arn, "arn:") && partition == want && service == "sns" && isRegion(region) &&
		len(account) == 12 && all(account, digit) && name != "" && all(name, nameByte)
	return topic{region: region, suffix: suffix}, ok
}

// isRegion tells whether s is a region's name, as eu-west-1 or us-gov-east-1.
// s3-us-west-2 is none, though hosts are called sns.s3-us-west-2.
func isRegion(s string) bool {
	country, rest, _ := strings.Cut(s, "-")
	if len(country) != 2 || !all(country, lower) || len(rest) < 3 {
		return false
	}
	area, number := rest[:len(rest)-2], rest[len(rest)-2:]
	if number[0] != '-' || !digit(number[1]) {
		return false
	}
	for part := range strings.SplitSeq(area, "-") {
		if part == "" || !all(part, lower) {
			return false
		}
	}
	return true
}

// certificateFile returns the last element of a certificate's URL, if the URL
// is the one at which AWS serves this topic's certificates. The text is
// compared as it is, so there is no second reading of it to be tricked.
func (t topic) certificateFile(url string) (file string, ok bool) {
	rest, https := strings.CutPrefix(url, "https://sns.")
	rest, region := strings.CutPrefix(rest, t.region)
	rest, dot := strings.CutPrefix(rest, ".")
	rest, suffix := strings.CutPrefix(rest, t.suffix)
	file, slash := strings.CutPrefix(rest, "/")
	return file, https && region && dot && suffix && slash && isCertificateFile(file)
}

// isCertificateFile tells whether a file is named as AWS names certificates.
func isCertificateFile(file string) bool {
	id, named := strings.CutPrefix(file, "SimpleNotificationService-")
	id, pem := strings.CutSuffix(id, ".pem")
	return named && pem && len(id) == 32 &&
		all(id, func(c byte) bool { return digit(c) || lower(c) || c >= 'A' && c <= 'Z' })
}

// signs tells whether a certificate's common name is that of SNS in the
// topic's region: one name in the old regions, one of their own in those that
// are switched on, in China and in GovCloud. All of them are AWS's, so there
// is no list of regions here to fall behind.
func (t topic) signs(commonName string) bool {
	switch commonName {
	case "sns.amazonaws.com":
		return t.suffix == "amazonaws.com"
	case "sns-signing." + t.region + "." + t.suffix, "sns-" + t.region + "." + t.suffix:
		return true
	case "sns-us-gov-west-1.amazonaws.com": // signs for its neighbour, too
		return strings.HasPrefix(t.region, "us-gov-")
	}
	return false
}

// nameByte tells whether a topic's name may have a byte; a first-in-first-out
// topic's ends in ".fifo".
func nameByte(c byte) bool {
	return digit(c) || lower(c) || c >= 'A' && c <= 'Z' || c == '-' || c == '_' || c == '.'
}

func digit(c byte) bool { return c >= '0' && c <= '9' }
func lower(c byte) bool { return c >= 'a' && c <= 'z' }

func all(s string, is func(byte) bool) bool {
	for i := range len(s) {
		if !is(s[i]) {
			return false
		}
	}
	return true
}
