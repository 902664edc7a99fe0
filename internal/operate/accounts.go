package operate

import (
	"bytes"
	"context"
	"crypto/subtle"
	"strings"

	"github.com/google/uuid"

	"waybill/internal/config"
	"waybill/internal/events"
	"waybill/internal/provider/sns"
	"waybill/internal/tenants"
)

// Secret is a secret as a person hands it over. What is for which of an
// account's uses is said by Algorithm, a constant of package tenants or "".
type Secret struct {
	Algorithm string
	Value     config.SecretBytes
	KeyID     string // under which requests ask for it; "" = they ask for none
}

// Account is an account as a person describes it: for whom it signs, and how.
type Account struct {
	Provider tenants.Issuer
	Purpose  string // of an SNS topic
	Name     string
	Orgs     []string
	Platform bool
	Secrets  []Secret
}

// SignUp enters accounts together, or adds to those that are on record. A
// secret that an account has already is not added again.
func (o *Onboard) SignUp(ctx context.Context, accounts ...Account) ([]tenants.Added, error) {
	list := make([]tenants.NewAccount, 0, len(accounts))
	for i := range accounts {
		a, err := o.prepare(ctx, &accounts[i])
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return o.AddAccounts(ctx, list)
}

func (o *Onboard) prepare(ctx context.Context, a *Account) (tenants.NewAccount, error) {
	out := tenants.NewAccount{Provider: a.Provider, Purpose: a.Purpose, Name: a.Name, Platform: a.Platform}
	if err := checkName(a); err != nil {
		return out, err
	}
	for _, id := range a.Orgs {
		org, err := parseOrg(id)
		if err != nil {
			return out, err
		}
		out.Orgs = append(out.Orgs, org)
	}
	known, err := o.secrets(ctx, a)
	if err != nil {
		return out, err
	}
	for _, s := range a.Secrets {
		value := bytes.TrimSpace(s.Value)
		if len(value) == 0 {
			return out, refuse("the secret is empty: an empty secret would verify anything, so it is refused")
		}
		if s.KeyID != "" {
			if err := tenants.CheckKeyID(s.KeyID); err != nil {
				return out, usage("%v", err)
			}
		}
		if !contains(known, &s, value) {
			id := uuid.NewString()
			out.Tokens = append(out.Tokens, tenants.SealedToken{ID: id, Name: s.KeyID, Algorithm: s.Algorithm, Sealed: o.Key.Seal(value, id)})
		}
	}
	return out, nil
}

// checkName refuses a name that no request could ever be verified under.
func checkName(a *Account) error {
	var err error
	switch a.Provider {
	case tenants.Twilio:
		err = tenants.CheckAccountSID(a.Name)
	case tenants.SNS:
		err = sns.CheckTopic(a.Name)
	case tenants.Connect:
		err = tenants.CheckInstance(a.Name)
	case tenants.Stripe:
		if a.Name == "" || strings.ContainsAny(a.Name, " /\x00\n") {
			return usage("--endpoint: want a name without blanks and slashes")
		}
		return nil
	}
	if err != nil {
		return usage("%v", err)
	}
	if len(a.Orgs) == 0 && !a.Platform {
		return usage("say for whom the account signs: --org ID (repeat it for several), or --platform for every organisation")
	}
	return nil
}

// secrets returns an account's secrets that open under the key. One that was
// sealed under another key is of no use to compare with.
func (o *Onboard) secrets(ctx context.Context, a *Account) ([]Secret, error) {
	if len(a.Secrets) == 0 {
		return nil, nil
	}
	sealed, err := o.SealedTokens(ctx, a.Provider, a.Purpose, a.Name)
	if err != nil {
		return nil, err
	}
	var known []Secret
	for _, t := range sealed {
		if value, err := o.Key.Open(t.Sealed, t.ID); err == nil {
			known = append(known, Secret{t.Algorithm, value, t.Name})
		}
	}
	return known, nil
}

func contains(known []Secret, s *Secret, value []byte) bool {
	found := false
	for _, k := range known {
		if k.Algorithm == s.Algorithm && k.KeyID == s.KeyID && subtle.ConstantTimeCompare(k.Value, value) == 1 {
			found = true
		}
	}
	return found
}

// ConnectTopic describes an SNS topic that carries an Amazon Connect instance's
// events: the topic that signs, bound to its instance, and the instance as the
// account that events are verified as.
func ConnectTopic(topicARN, instanceARN, org string) []Account {
	return []Account{
		{Provider: tenants.Connect, Name: instanceARN, Orgs: []string{org}},
		{
			Provider: tenants.SNS, Purpose: string(events.Connect), Name: topicARN, Orgs: []string{org},
			Secrets: []Secret{{Algorithm: tenants.AlgorithmInstance, Value: []byte(instanceARN)}},
		},
	}
}
