package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/simulate"
)

// mailedAt is when the e-mails of these tests were sent, by SES's clock.
var mailedAt = time.Now().Add(-time.Minute).Truncate(time.Second).UTC()

// mail is an e-mail as SES tells of it.
type mail struct {
	id, from string
	to       []string
	echo     string // our own id, in a tag
}

// newMail is an e-mail to so many of ann, bob and cem.
func (a *amazon) newMail(people int) mail {
	m := mail{id: a.id("0100"), from: "news@" + a.random + ".example.com"}
	for _, name := range []string{"ann", "bob", "cem"}[:people] {
		m.to = append(m.to, name+"."+m.id+"@example.com")
	}
	return m
}

func (m mail) ann() string { return m.to[0] }
func (m mail) bob() string { return m.to[1] }
func (m mail) cem() string { return m.to[2] }

// event is what SES publishes of an e-mail: so many seconds after it was sent.
func (m mail) event(name string, seconds int, detail map[string]any) string {
	at := mailedAt.Add(time.Duration(seconds) * time.Second).Format(time.RFC3339Nano)
	tags := map[string][]string{"ses:configuration-set": {"waybill"}}
	if m.echo != "" {
		tags["waybill_message_id"] = []string{m.echo}
	}
	about := map[string]any{"timestamp": at}
	maps.Copy(about, detail)
	text, _ := json.Marshal(map[string]any{ // of texts and maps
		"eventType": name, strings.ToLower(name[:1]) + name[1:]: about, "mail": map[string]any{
			"timestamp": mailedAt.Format(time.RFC3339Nano), "messageId": m.id, "source": "Harbour News <" + m.from + ">",
			"sourceArn":        "arn:aws:ses:eu-west-1:123456789012:identity/" + m.from,
			"sendingAccountId": "123456789012", "destination": m.to, "headersTruncated": true, "tags": tags,
		},
	})
	return string(text) + "\n" // as event publishing ends it
}

func (m mail) delivered(seconds int, to ...string) string {
	return m.event("Delivery", seconds, map[string]any{"recipients": to, "smtpResponse": "250 ok"})
}

func (m mail) bounced(seconds int, typ, subType, code, whom string) string {
	return m.event("Bounce", seconds, map[string]any{"bounceType": typ, "bounceSubType": subType, "bouncedRecipients": []map[string]string{
		{"emailAddress": whom, "action": "failed", "status": code},
	}})
}

func (m mail) complained(seconds int, whom string) string {
	return m.event("Complaint", seconds, map[string]any{
		"complaintFeedbackType": "abuse", "complainedRecipients": []map[string]string{{"emailAddress": whom}},
	})
}

func (m mail) unsubscribed(seconds int) string {
	return m.event("Subscription", seconds, map[string]any{
		"contactList": "all", "source": "UnsubscribeHeader",
		"newTopicPreferences": map[string]any{"unsubscribeAll": true}, "oldTopicPreferences": map[string]any{"unsubscribeAll": false},
	})
}

// mails records e-mails as their sender would.
func (a *amazon) mails(by tenant, m mail, more events.Send) {
	a.t.Helper()
	at := mailedAt
	more.Org, more.Channel, more.Provider, more.Account = events.OrgID(by.org), events.Email, events.SES, "123456789012"
	more.From, more.To, more.SentAt = m.from, m.to[0], &at
	a.record(more)
}

// posts sends what must be taken.
func (a *amazon) posts(requests ...simulate.Request) {
	a.t.Helper()
	for _, r := range requests {
		a.call(r, http.StatusOK)
	}
}

// mailRow is all that the rows of an e-mail say but for the names, the number of
// transitions and the times of receiving, as text.
func (a *amazon) mailRow(id string) (row string) {
	a.t.Helper()
	require.NoError(a.t, a.sql.QueryRow(a.t.Context(), `SELECT jsonb_pretty(
		to_jsonb(m) - '{id,provider_id,version,received_at,last_at,updated_at}'::text[] || jsonb_build_object('recipients',
			(SELECT jsonb_object_agg(split_part(r.address, '.', 1), r.status || ' ' || r.error_code)
			FROM email_recipients r WHERE r.org_id = m.org_id AND r.email_id = m.id)))
		FROM email_messages m WHERE provider_id = $1`, id).Scan(&row))
	return row
}

// optsOut waits until addresses are opted out of an organisation's e-mails.
func (a *amazon) optsOut(org string, addresses ...string) {
	a.t.Helper()
	for _, address := range addresses {
		a.until(func() error {
			for _, c := range a.story(address).Consents {
				if c.OptedOut && string(c.Org) == org && c.Channel == events.Email && c.Sender == "" {
					return nil
				}
			}
			return fmt.Errorf("%s may still be written to", address)
		})
	}
}
