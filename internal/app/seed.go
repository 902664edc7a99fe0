package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"waybill/internal/config"
	"waybill/internal/events"
	"waybill/internal/operate"
	"waybill/internal/postgres"
	"waybill/internal/provider"
	"waybill/internal/seal"
	"waybill/internal/tenants"
)

// Seed is two organisations to play with, and the secrets to sign callbacks as
// their providers would. It is kept in the data folder, readable by its owner.
type Seed struct {
	Orgs         []SeedOrg `json:"orgs"`
	StripeSecret string    `json:"stripe_signing_secret"`
}

// SeedOrg is one organisation with its own accounts, number and e-mail identity.
type SeedOrg struct {
	ID         string `json:"org_id"`
	Name       string `json:"name"`
	AccountSID string `json:"account_sid"`
	AuthToken  string `json:"auth_token"`
	Number     string `json:"number"`

	EmailIdentity   string `json:"email_identity"`
	SESTopic        string `json:"ses_topic_arn"`
	ConnectInstance string `json:"connect_instance_arn"`
	ConnectTopic    string `json:"connect_topic_arn"`
	ConnectAPIKey   string `json:"connect_api_key"`
	FirehoseKey     string `json:"firehose_key"`
}

// SeedFile is the name of the seed's file in a data folder.
const SeedFile = "demo.json"

// plant makes the two demo organisations of a data folder, or finds them there.
func plant(ctx context.Context, dataDir string, r Ready) (Seed, error) {
	seed, err := keptSeed(filepath.Join(dataDir, SeedFile))
	if err != nil {
		return seed, err
	}
	key, err := seal.ParseKey(string(r.SecretKey))
	if err != nil {
		return seed, err
	}
	db, err := postgres.Open(ctx, postgres.Config{URL: config.Secret(r.DatabaseURL), MaxConns: 2})
	if err != nil {
		return seed, err
	}
	defer db.Close()
	o := &operate.Onboard{Tenants: postgres.NewTenants(db), Key: key, Now: time.Now}
	if err := seed.plant(ctx, o); err != nil {
		return seed, fmt.Errorf("making the demo organisations: %w", err)
	}
	return seed, nil
}

// plant enters what is not there yet; after a crash half way it goes on.
func (s *Seed) plant(ctx context.Context, o *operate.Onboard) error {
	orgs, err := o.Orgs(ctx)
	if err != nil {
		return err
	}
	senders, err := o.Senders(ctx)
	if err != nil {
		return err
	}
	known, err := o.Accounts(ctx)
	if err != nil {
		return err
	}
	have := map[string]bool{}
	for i := range known {
		have[known[i].Name] = true
	}
	for i := range orgs {
		have[string(orgs[i].ID)] = true
	}
	for i := range senders {
		have[senders[i].Value] = true
	}
	for _, org := range s.Orgs {
		if !have[org.ID] {
			if _, err := o.NewOrg(ctx, org.ID, org.Name, ""); err != nil {
				return err
			}
		}
		for _, sender := range []string{org.Number, org.EmailIdentity} {
			if have[sender] {
				continue
			}
			if _, err := o.PlaceSender(ctx, operate.Sender{Value: sender, Org: org.ID}); err != nil {
				return err
			}
		}
	}
	for _, a := range s.accounts() {
		if !have[a.Name] { // entering it again would release what is held for it
			if _, err := o.SignUp(ctx, a); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Seed) accounts() []operate.Account {
	if s.StripeSecret == "" {
		return nil
	}
	list := []operate.Account{{
		Provider: tenants.Stripe, Name: "demo", Platform: true, Secrets: []operate.Secret{{Value: []byte(s.StripeSecret)}},
	}}
	for _, org := range s.Orgs {
		list = append(list, operate.Account{
			Provider: tenants.Twilio, Name: org.AccountSID, Orgs: []string{org.ID}, Secrets: []operate.Secret{{Value: []byte(org.AuthToken)}},
		}, operate.Account{
			Provider: tenants.SNS, Purpose: string(events.SES), Name: org.SESTopic, Orgs: []string{org.ID},
		}, operate.Account{
			Provider: tenants.Connect, Name: org.ConnectInstance, Orgs: []string{org.ID}, Secrets: []operate.Secret{
				{Algorithm: tenants.AlgorithmAPIKey, Value: []byte(org.ConnectAPIKey)},
				{Algorithm: tenants.AlgorithmFirehose, Value: []byte(org.FirehoseKey)},
			},
		})
		list = append(list, operate.ConnectTopic(org.ConnectTopic, org.ConnectInstance, org.ID)...)
	}
	return list
}

// known tells whether ingest has heard of every account.
func (s *Seed) known(signers provider.Signers) bool {
	for _, a := range s.accounts() {
		if _, k := signers.Signer(tenants.SignsFor(a.Provider, a.Purpose), a.Name); k != provider.Known {
			return false
		}
	}
	return true
}

// keptSeed reads a folder's seed, or makes one up and keeps it first, so that
// what is entered under it can always be found again.
func keptSeed(path string) (Seed, error) {
	var seed Seed
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		seed = newSeed()
		err = seed.keep(path)
		return seed, err
	}
	if err != nil {
		return seed, fmt.Errorf("reading the demo organisations: %w", err)
	}
	if err := json.Unmarshal(b, &seed); err != nil {
		return seed, fmt.Errorf("reading %s: %w; remove the file to make new ones", path, err)
	}
	if seed.complete() {
		err = seed.keep(path)
	}
	return seed, err
}

// keep writes the seed down.
func (s *Seed) keep(path string) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err == nil {
		err = os.WriteFile(path, append(b, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("keeping the demo organisations: %w", err)
	}
	return nil
}

// complete makes up what an organisation does not have yet, and tells whether
// there was anything: a seed may be older than a provider.
func (s *Seed) complete() (changed bool) {
	fill := func(field *string, value string) {
		if *field == "" {
			*field, changed = value, true
		}
	}
	for i := range s.Orgs {
		o := &s.Orgs[i]
		name := strings.ReplaceAll(strings.ToLower(o.Name), " ", "-")
		fill(&o.EmailIdentity, name+".example") // RFC 2606
		fill(&o.SESTopic, "arn:aws:sns:eu-central-1:123456789012:"+name+"-ses")
		fill(&o.ConnectInstance, "arn:aws:connect:eu-central-1:123456789012:instance/"+uuid.NewString())
		fill(&o.ConnectTopic, "arn:aws:sns:eu-central-1:123456789012:"+name+"-connect")
		fill(&o.ConnectAPIKey, random(16))
		fill(&o.FirehoseKey, random(16))
	}
	return changed
}

// newSeed makes up organisations. The numbers are of the range that is kept
// for fiction.
func newSeed() Seed {
	org := func(name, number string) SeedOrg {
		return SeedOrg{ID: uuid.NewString(), Name: name, AccountSID: "AC" + random(16), AuthToken: random(16), Number: number}
	}
	s := Seed{
		Orgs:         []SeedOrg{org("Harbour Dental", "+12025550101"), org("Juniper Outdoors", "+12025550102")},
		StripeSecret: "whsec_" + random(24),
	}
	s.complete()
	return s
}

// random returns so many random bytes, in hexadecimal.
func random(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// String lists the organisations without their secrets.
func (s *Seed) String() string {
	var b strings.Builder
	for _, o := range s.Orgs {
		fmt.Fprintf(&b, "  %-18s %s  %s  %s\n", o.Name, o.ID, o.AccountSID, o.Number)
	}
	return b.String()
}
