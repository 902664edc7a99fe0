package simulate

import (
	"encoding/json"
	"time"
)

// SES is an Amazon SES account that publishes what becomes of its e-mails
// through a topic.
type SES struct {
	Topic

	Identity string // domain that it sends from
}

const pathEmail = "/api/webhooks/email"

// Email is an e-mail as SES knows it.
type Email struct {
	ID   string // the one that the send API returned
	From string
	To   []string // every recipient
	Sent time.Time
}

// EmailEvent is what happened to an e-mail.
type EmailEvent struct {
	Type     string   // Send, Delivery, Bounce and so on, as in eventType
	Sub      string   // of a bounce Permanent or Transient, of a delay its type, of a complaint its kind
	Reason   string   // of a bounce its sub-type, of a reject its reason
	Whom     []string // the recipients it is about
	Code     string   // their enhanced status code (RFC 3463), "" = the mail server gave none
	Feedback bool     // in the format of an identity's feedback, not of event publishing
	At       time.Time
}

// Event returns the notification of an event, under an id of SNS's.
func (s SES) Event(id string, m *Email, e *EmailEvent) Request {
	return s.Deliver(pathEmail, id, s.text(m, e), e.At)
}

// SetUp returns the notification by which SES tries a topic that is chosen for
// its events. It is about no e-mail.
func (s SES) SetUp(id string, at time.Time) Request {
	return s.Deliver(pathEmail, id, "Successfully validated SNS topic for Amazon SES event publishing.", at)
}

type object = map[string]any

// text writes an event as SES does, from
// https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
// and, for feedback, notification-contents.html.
func (s SES) text(m *Email, e *EmailEvent) string {
	mail := object{
		"timestamp": milliseconds(m.Sent), "messageId": m.ID, "source": m.From,
		"sourceArn":        "arn:aws:ses:eu-west-1:123456789012:identity/" + s.Identity,
		"sendingAccountId": "123456789012", "destination": m.To,
	}
	body := object{"mail": mail}
	if e.Feedback {
		body["notificationType"] = e.Type
		mail["sourceIp"], mail["callerIdentity"] = "192.0.2.1", "simulated"
	} else {
		body["eventType"] = e.Type
		mail["tags"] = object{"ses:configuration-set": []string{"simulated"}}
		mail["headersTruncated"] = false
		mail["commonHeaders"] = object{"messageId": "<" + m.ID + "@" + s.Identity + ">", "subject": "Simulated"}
	}
	if name, detail := e.detail(); name != "" {
		body[name] = detail
	}
	text, err := json.Marshal(body)
	if err != nil {
		return "" // cannot be: they are texts
	}
	if e.Feedback {
		return string(text)
	}
	return string(text) + "\n" // event publishing ends its texts so
}

// detail returns the object that tells of the event, and its name.
func (e *EmailEvent) detail() (string, object) {
	at := milliseconds(e.At)
	switch e.Type {
	case "Send":
		return "send", object{}
	case "Delivery":
		return "delivery", object{"timestamp": at, "recipients": e.Whom, "processingTimeMillis": 546, "smtpResponse": "250 2.6.0 accepted"}
	case "Bounce":
		return "bounce", object{
			"timestamp": at, "bounceType": e.Sub, "bounceSubType": e.Reason, "bouncedRecipients": e.recipients("failed"),
			"feedbackId": "simulated", "reportingMTA": "dns; mta.example.com",
		}
	case "Complaint":
		return "complaint", object{
			"timestamp": at, "complainedRecipients": e.recipients(""), "complaintFeedbackType": e.Sub, "complaintSubType": nil,
			"feedbackId": "simulated", "arrivalDate": at,
		}
	case "DeliveryDelay":
		return "deliveryDelay", object{
			"timestamp": at, "delayType": e.Sub, "delayedRecipients": e.recipients("delayed"), "expirationTime": milliseconds(e.At.Add(14 * time.Hour)),
		}
	case "Reject":
		return "reject", object{"reason": e.Reason}
	case "Rendering Failure":
		return "failure", object{"templateName": "simulated", "errorMessage": "Attribute 'name' is not present in the rendering data."}
	case "Open":
		return "open", object{"timestamp": at, "ipAddress": "192.0.2.1", "userAgent": "Mozilla/5.0"}
	case "Click":
		return "click", object{"timestamp": at, "ipAddress": "192.0.2.1", "userAgent": "Mozilla/5.0", "link": "https://example.com/"}
	case "Subscription":
		return "subscription", object{
			"timestamp": at, "contactList": "simulated", "source": "UnsubscribeHeader",
			"newTopicPreferences": preferences(true), "oldTopicPreferences": preferences(false),
		}
	}
	return "", nil
}

// recipients lists whom an event is about, with what their mail servers said.
func (e *EmailEvent) recipients(action string) []object {
	list := make([]object, 0, len(e.Whom))
	for _, address := range e.Whom {
		r := object{"emailAddress": address}
		if e.Code != "" {
			r["action"], r["status"], r["diagnosticCode"] = action, e.Code, "smtp; 550 "+e.Code
		}
		list = append(list, r)
	}
	return list
}

func preferences(out bool) object {
	return object{"unsubscribeAll": out, "topicSubscriptionStatus": []object{{"topicName": "news", "subscriptionStatus": "OptIn"}}}
}
