package sends

import (
	"errors"
	"net/url"
	"strings"

	"waybill/internal/events"
)

// What the provider is asked to give back with everything that it says of a
// message, so that Waybill knows the message before its send is recorded.
const (
	EchoParameter = "wb"                 // in the query of a Twilio StatusCallback URL
	SESTag        = "waybill_message_id" // name of an Amazon SES message tag; its value is the message's id
)

// Where Twilio reports what became of messages, calls and recordings.
const (
	statusPath    = "/api/webhooks/sms/status"
	callPath      = "/api/webhooks/voice/status"
	recordingPath = "/api/webhooks/voice/recording"
)

// StatusCallback returns what to give Twilio as the StatusCallback of a message:
// Waybill's path for it under the public URL that Waybill was given
// (WAYBILL_PUBLIC_URL), with the message's id to echo. Twilio signs the URL to
// the letter, so it must be passed on as it is.
func StatusCallback(publicURL, messageID string) (string, error) {
	return callback(publicURL, statusPath, messageID)
}

// CallStatusCallback returns what to give Twilio as the StatusCallback of a
// call, and as the action of a <Dial>, as [StatusCallback] does for a message.
func CallStatusCallback(publicURL, messageID string) (string, error) {
	return callback(publicURL, callPath, messageID)
}

// RecordingStatusCallback returns what to give Twilio as the
// RecordingStatusCallback of a call, as [StatusCallback] does for a message.
func RecordingStatusCallback(publicURL, messageID string) (string, error) {
	return callback(publicURL, recordingPath, messageID)
}

func callback(publicURL, path, messageID string) (string, error) {
	id, err := events.ParseUUID(messageID)
	if err != nil {
		return "", errors.New("the message's id is " + err.Error())
	}
	u, err := url.Parse(publicURL)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return "", errors.New("the public URL is not an absolute http or https URL")
	case u.User != nil, strings.ContainsAny(publicURL, "?#"):
		return "", errors.New("the public URL has a login, query or fragment, which Twilio does not sign as it stands")
	}
	return strings.TrimRight(publicURL, "/") + path + "?" + EchoParameter + "=" + id, nil
}
