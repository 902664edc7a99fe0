package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/simulate"
)

// bounced: an e-mail to two people; the mail server of one takes it and returns
// it afterwards.
func (st *stage) bounced() error {
	whom := []string{"ada@example.com", "ben@example.com"}
	now := time.Now()
	m := &simulate.Email{ID: "0100" + st.prefix + "-000000", From: "News <news@" + st.mail.Identity + ">", To: whom, Sent: now}
	err := st.record(events.Send{Channel: events.Email, Provider: events.SES, ProviderID: m.ID, From: "news@" + st.mail.Identity, Status: "sent"})
	if err != nil {
		return err
	}
	tell := func(e simulate.EmailEvent) error {
		e.At = time.Now()
		return st.call(st.mail.Event(uuid.NewString(), m, &e), http.StatusOK)
	}
	for _, e := range []simulate.EmailEvent{{Type: "Send"}, {Type: "Delivery", Whom: whom}} {
		if err := tell(e); err != nil {
			return err
		}
	}
	if _, err := st.row(m.ID, "delivered"); err != nil {
		return err
	}
	st.saw("row of %s: delivered", m.ID)
	if err := tell(simulate.EmailEvent{Type: "Bounce", Sub: "Permanent", Reason: "NoEmail", Code: "5.1.1", Whom: whom[1:]}); err != nil {
		return err
	}
	story, err := st.row(m.ID, "bounced_permanent")
	if err != nil {
		return err
	}
	to, _ := story.Resource.Facts["recipients"].([]history.Recipient)
	if len(to) != 2 || to[0].Status != "delivered" || to[1].Status != "bounced_permanent" {
		return fmt.Errorf("its recipients are %d: %v", len(to), statuses(to))
	}
	st.saw("then %s %s (%s); its recipients: %s", story.Resource.Status, story.Resource.ErrorCode, story.Resource.ErrorClass, strings.Join(statuses(to), ", "))
	return nil
}

func statuses(to []history.Recipient) []string {
	list := make([]string, len(to))
	for i := range to {
		list[i] = to[i].Status
	}
	return list
}

// answered: a call that is answered, recorded and over.
func (st *stage) answered() error {
	c := &simulate.PhoneCall{SID: "CA" + st.prefix + "0001", From: st.seed.Orgs[0].Number, To: demoPerson, Direction: "outbound-api"}
	err := st.record(events.Send{
		Channel: events.Voice, Provider: events.Twilio, Account: st.a.Account, ProviderID: c.SID, From: c.From, To: c.To, Status: "queued",
	})
	if err != nil {
		return err
	}
	rec, began := "RE"+st.prefix+"0001", time.Now().Add(-time.Minute)
	for n, e := range []simulate.CallEvent{
		{Status: "initiated"}, {Status: "ringing"}, {Status: "in-progress"}, {Status: "completed", Seconds: 49, SIP: "200", Answered: "human"},
	} {
		e.Sequence, e.At = n, began.Add(time.Duration(n)*time.Second)
		if err := st.call(st.a.Progress(c, &e), http.StatusNoContent); err != nil {
			return err
		}
	}
	if err := st.call(st.a.Recorded(c.SID, rec, "completed", 47), http.StatusNoContent); err != nil {
		return err
	}
	r, taped, err := st.taped(c.SID)
	if err != nil {
		return err
	}
	st.saw("call %s: %s after %v s, answered by %v", c.SID, r.Status, r.Facts["duration"], r.Facts["answered_by"])
	st.saw("recording %s: %s, %d s", taped.ProviderID, taped.Status, taped.Duration)
	return nil
}

// taped waits until a call is completed and its one recording there.
func (st *stage) taped(id string) (r history.Resource, taped history.Recording, err error) {
	story, err := st.row(id, "completed")
	if err != nil {
		return r, taped, err
	}
	err = st.until(func() error {
		if story, err = st.story(id); err != nil {
			return err
		}
		all, _ := story.Resource.Facts["recordings"].([]history.Recording)
		if len(all) != 1 || all[0].Status != "completed" {
			return errors.New("its recording is not there yet")
		}
		r, taped = *story.Resource, all[0]
		return nil
	})
	return r, taped, err
}

// contact: somebody calls the contact centre, waits, and reaches an agent. The
// events come by the API destination and by SNS in turn, the record by Firehose.
func (st *stage) contact() error {
	began := time.Now().Add(-5 * time.Minute).Truncate(time.Second)
	k := &simulate.Contact{
		ID: uuid.NewString(), Customer: demoPerson, System: st.seed.Orgs[0].Number, Queue: uuid.NewString(),
		Initiated: began, Connected: began, Queued: began.Add(5 * time.Second), Agent: began.Add(20 * time.Second), Ended: began.Add(2 * time.Minute),
	}
	k.Recordings = []string{"demo-recordings/" + k.ID + ".wav"}
	for n, e := range []simulate.ContactEvent{
		{Type: "INITIATED", At: k.Initiated}, {Type: "QUEUED", At: k.Queued}, {Type: "CONNECTED_TO_AGENT", At: k.Agent, Pascal: true},
	} {
		if err := st.call(st.contactEvent(k, &e, n%2 == 0), http.StatusOK); err != nil {
			return err
		}
	}
	story, err := st.row(k.ID, "in_progress")
	if err != nil {
		return err
	}
	st.saw("contact %s in %s: %s with an agent of queue %v", k.ID, st.seed.Orgs[0].Name, story.Resource.Status, story.Resource.Facts["queue"])
	for n, e := range []simulate.ContactEvent{{Type: "DISCONNECTED", At: k.Ended}, {Type: "COMPLETED", At: k.Ended}} {
		if err := st.call(st.contactEvent(k, &e, n%2 == 0), http.StatusOK); err != nil {
			return err
		}
	}
	record := st.centre.Record(k, k.Ended.Add(time.Minute))
	if err := st.call(st.centre.Records(uuid.NewString(), [][]byte{record}, true, time.Now()), http.StatusOK); err != nil {
		return err
	}
	r, taped, err := st.taped(k.ID)
	if err != nil {
		return err
	}
	st.saw("then %s after %v s; its record: %v s with the agent, recording %s, %d s", r.Status, r.Facts["duration"], r.Facts["agent_duration"], taped.Status, taped.Duration)
	return nil
}

// contactEvent is a contact event, by the API destination or by the topic.
func (st *stage) contactEvent(k *simulate.Contact, e *simulate.ContactEvent, byAPI bool) simulate.Request {
	e.ID = uuid.NewString()
	body := st.centre.Event(k, e)
	if byAPI {
		return st.centre.ByAPI(body)
	}
	return st.centre.ByTopic(uuid.NewString(), body, time.Now())
}
