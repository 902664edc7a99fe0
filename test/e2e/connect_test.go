package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/operate"
	"waybill/internal/simulate"
	"waybill/internal/tenants"
)

// contacts is an Amazon Connect instance of an organisation, with its keys.
type contacts struct{ arn, apiKey, firehoseKey string }

// newContacts enters an instance and returns it once ingest knows it.
func newContacts(h *house) contacts {
	h.t.Helper()
	c := contacts{"arn:aws:connect:eu-west-1:123456789012:instance/" + uuid.NewString(), h.id("api-"), h.id("firehose-")}
	_, err := h.onboard.SignUp(h.t.Context(), operate.Account{
		Provider: tenants.Connect, Name: c.arn, Orgs: []string{h.a.org}, Secrets: []operate.Secret{
			{Algorithm: tenants.AlgorithmAPIKey, Value: []byte(c.apiKey)}, {Algorithm: tenants.AlgorithmFirehose, Value: []byte(c.firehoseKey)},
		},
	})
	require.NoError(h.t, err)
	h.until(func() error {
		nothing := c.delivery()
		got, err := h.client.Do(h.t.Context(), &nothing)
		if err == nil && got != http.StatusOK {
			err = fmt.Errorf("a delivery of the new instance is answered %d", got)
		}
		return err
	})
	return c
}

// delivery is what Firehose sends of an instance.
func (c contacts) delivery(records ...string) simulate.Request {
	list := make([]map[string]string, len(records))
	for i, r := range records {
		list[i] = map[string]string{"data": base64.StdEncoding.EncodeToString([]byte(r))}
	}
	id := uuid.NewString()
	body, _ := json.Marshal(map[string]any{"requestId": id, "timestamp": 1578090901599, "records": list}) // it is texts alone
	return simulate.Request{Method: http.MethodPost, Path: "/api/webhooks/connect/records", Body: body, Header: http.Header{
		"Content-Type": {"application/json"}, "X-Amz-Firehose-Request-Id": {id}, "X-Amz-Firehose-Access-Key": {c.firehoseKey},
	}}
}

// event is what an API destination sends of an instance.
func (c contacts) event(body string) simulate.Request {
	return simulate.Request{Method: http.MethodPost, Path: "/api/webhooks/connect", Body: []byte(body), Header: http.Header{
		"Content-Type": {"application/json"}, "X-Waybill-Api-Key": {c.apiKey},
	}}
}

// record is the record of a contact that somebody called and nobody answered.
func (c contacts) record(id string) string {
	return fmt.Sprintf(`{"ContactId":%q,"InstanceARN":%q,"Channel":"VOICE","InitiationMethod":"INBOUND","LastUpdateTimestamp":"2026-11-23T10:05:00Z",`+
		`"InitiationTimestamp":"2026-11-23T10:04:00Z","DisconnectTimestamp":"2026-11-23T10:04:30Z"}`, id, c.arn)
}

func (c contacts) initiated(id string) string {
	return fmt.Sprintf(`{"id":%q,"time":"2026-11-23T10:04:00Z","source":"aws.connect","detail-type":"Amazon Connect Contact Event",`+
		`"detail":{"eventType":"INITIATED","contactId":%q,"instanceArn":%q,"channel":"VOICE","initiationMethod":"INBOUND"}}`, uuid.NewString(), id, c.arn)
}

// contact returns the status of a contact's row, "" if there is none.
func (h *house) contact(id string) string {
	h.t.Helper()
	var status string
	err := h.sql.QueryRow(h.t.Context(), "SELECT status FROM calls WHERE provider = 'connect' AND provider_id = $1", id).Scan(&status)
	if errors.Is(err, pgx.ErrNoRows) {
		return ""
	}
	require.NoError(h.t, err)
	return status
}

// ended tells what is missing of a contact that nobody answered.
func (h *house) ended(id string) error {
	if status := h.contact(id); status != "no_answer" {
		return fmt.Errorf("the row of the contact is %q, not no_answer", status)
	}
	return nil
}

const (
	deadConnect        = `waybill_router_held_total{provider="connect",state="dead"}`
	quarantinedConnect = `waybill_router_held_total{provider="connect",state="quarantined"}`
	speaksForAnother   = `waybill_org_boundary_violations_total{kind="signer_mismatch"}`
	refusedKey         = `waybill_ingest_refused_total{provider="connect",reason="bad_key"}`
)

// Row 36: a wrong key is refused, and a good one speaks for its instance alone.
// Row 38: so does an API destination's.
func TestBadInput36AnotherInstancesKey(t *testing.T) {
	h := open(t)
	ours, other := newContacts(h), contacts{arn: "arn:aws:connect:eu-west-1:999999999999:instance/" + uuid.NewString(), apiKey: "a guess", firehoseKey: "a guess"}
	id := uuid.NewString()
	h.moves(func() { h.call(other.delivery(ours.record(id)), http.StatusUnauthorized) }, refusedKey)
	h.moves(func() { h.call(other.event(ours.initiated(id)), http.StatusUnauthorized) }, refusedKey)
	for name, r := range map[string]simulate.Request{
		"a record": ours.delivery(other.record(id)), "an event": ours.event(other.initiated(id)),
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			before := h.held()
			h.moves(func() {
				h.call(r, http.StatusOK)
				h.becomesHeld(before, events.Quarantined, "instance_mismatch")
			}, quarantinedConnect, speaksForAnother)
		})
	}
	require.Empty(t, h.contact(id), "nothing became of it")
	h.call(ours.event(ours.initiated(id)), http.StatusOK)
	h.call(ours.delivery(ours.record(id)), http.StatusOK)
	h.until(func() error { return h.ended(id) })
}

// Row 37: one record that cannot be read is dead, an empty one is nothing, and
// each document of one is an event.
func TestBadInput37RecordsOfEverySort(t *testing.T) {
	h := open(t)
	c := newContacts(h)
	first, second, third := uuid.NewString(), uuid.NewString(), uuid.NewString()
	before := h.held()
	h.moves(func() {
		h.call(c.delivery(c.record(first)+"\n"+c.record(second), "", strings.TrimSuffix(c.record(uuid.NewString()), "}"), c.record(third)), http.StatusOK)
		h.becomesHeld(before, events.Dead, "undecodable")
		for _, id := range []string{first, second, third} {
			h.until(func() error { return h.ended(id) })
		}
	}, deadConnect)
}
