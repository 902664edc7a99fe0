package events

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"waybill/internal/fault"
)

// ConfigSigner is an account that may sign, as it stands on the compacted
// config topic: what ingest needs to verify, sealed, and nothing else.
type ConfigSigner struct {
	Provider string        `json:"provider"` // twilio, sns, connect, stripe
	Purpose  string        `json:"purpose,omitempty"`
	Name     string        `json:"name"`
	Tokens   []ConfigToken `json:"tokens"`
	// SignsFor says for whom it signs, of accounts that may ask where a call
	// should go; nil = not told.
	SignsFor *ConfigEntitlement `json:"signs_for,omitempty"`
}

// ConfigEntitlement is for whom a signer signs.
type ConfigEntitlement struct {
	Platform bool           `json:"platform,omitempty"` // for every organisation
	Orgs     []ConfigTenure `json:"orgs,omitempty"`
}

// ConfigTenure is a time during which a signer signs for an organisation.
type ConfigTenure struct {
	Org  OrgID      `json:"org_id"`
	From *time.Time `json:"from,omitempty"` // nil = from the beginning
	To   *time.Time `json:"to,omitempty"`   // exclusive; nil = open
}

// Covers tells whether a signer signs for an organisation at a time.
func (e *ConfigEntitlement) Covers(org OrgID, at time.Time) bool {
	return e.Platform || slices.ContainsFunc(e.Orgs, func(t ConfigTenure) bool {
		return t.Org == org && (t.From == nil || !at.Before(*t.From)) && (t.To == nil || at.Before(*t.To))
	})
}

// ConfigToken is one sealed secret of a signer.
type ConfigToken struct {
	ID        string `json:"id"`
	KeyID     string `json:"key_id,omitempty"` // under which a request asks for it
	Algorithm string `json:"algorithm,omitempty"`
	Sealed    []byte `json:"sealed"`
}

// ConfigSender is a sender of an organisation over a time.
type ConfigSender struct {
	ID            string     `json:"id"`
	Org           OrgID      `json:"org_id"`
	Kind          string     `json:"kind"`
	Value         string     `json:"value"`
	Shared        bool       `json:"shared,omitempty"`
	From          *time.Time `json:"from,omitempty"`
	To            *time.Time `json:"to,omitempty"`
	VoiceRedirect string     `json:"voice_redirect,omitempty"`
}

// Key returns the signer's key on the config topic.
func (s *ConfigSigner) Key() string {
	return "signer/" + s.Provider + "/" + s.Purpose + "/" + s.Name
}

// Key returns the sender's key on the config topic.
func (s *ConfigSender) Key() string { return "sender/" + s.ID }

// ConfigRecord returns the record of a signer or sender; a nil body is the
// tombstone that removes the key.
func ConfigRecord(key string, body any, at time.Time) (Record, error) {
	rec := Record{
		Topic: TopicConfig, Key: []byte(key),
		Headers: attributes{
			id: string(NewReceiptID()), source: "waybill/router", typ: TypeConfig,
			subject: key, time: at, content: "application/json",
		}.headers(0),
	}
	if body == nil {
		return rec, nil
	}
	v, err := json.Marshal(body)
	if err != nil {
		return rec, fmt.Errorf("encoding config record: %w", err)
	}
	rec.Value = v
	return rec, nil
}

// DecodeConfig reads the body of a config record into a signer or sender.
func DecodeConfig(r *Record, into any) error {
	if json.Unmarshal(r.Value, into) != nil {
		return fault.New(fault.Invalid, "undecodable")
	}
	return nil
}
