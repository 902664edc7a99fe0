package operate_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/config"
	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/operate"
	"waybill/internal/postgres"
	"waybill/internal/seal"
	"waybill/internal/tenants"
	"waybill/internal/testkit"
)

const sid = "AC0123456789abcdef0123456789abcdef"

func newOnboard(t *testing.T) (*operate.Onboard, string) {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: config.Secret(testkit.Database(t).URL(testkit.Operator)), MaxConns: 2})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	key, err := seal.ParseKey(seal.NewKey())
	require.NoError(t, err)
	o := &operate.Onboard{Tenants: postgres.NewTenants(db), Key: key, Now: time.Now}
	org, err := o.NewOrg(t.Context(), "", "Harbour Dental", "")
	require.NoError(t, err)
	return o, string(org.ID)
}

func twilio(org, token string) operate.Account {
	return operate.Account{Provider: tenants.Twilio, Name: sid, Orgs: []string{org}, Secrets: []operate.Secret{{Value: []byte(token)}}}
}

func TestATokenIsSealedUnderItsIDAndAddedOnce(t *testing.T) {
	t.Parallel()
	o, org := newOnboard(t)
	for _, want := range []struct {
		token string
		added int
	}{{"first token\n", 1}, {"first token", 0}, {"second token", 1}, {"second token", 0}} {
		added, err := o.SignUp(t.Context(), twilio(org, want.token))
		require.NoError(t, err)
		require.Equal(t, want.added, added[0].Tokens, want.token)
	}
	sealed, err := o.SealedTokens(t.Context(), tenants.Twilio, "", sid)
	require.NoError(t, err)
	require.Len(t, sealed, 2)
	plain, err := o.Key.Open(sealed[0].Sealed, sealed[0].ID)
	require.NoError(t, err)
	require.Equal(t, "first token", string(plain))
	require.NotContains(t, string(sealed[0].Sealed), "first token")
	_, err = o.Key.Open(sealed[0].Sealed, sealed[1].ID)
	require.Error(t, err)
}

func TestAnEmptySecretIsRefused(t *testing.T) {
	t.Parallel()
	o, org := newOnboard(t)
	_, err := o.SignUp(t.Context(), twilio(org, " \n"))
	require.Equal(t, fault.Invalid, fault.ClassOf(err))
	all, err := o.Accounts(t.Context())
	require.NoError(t, err)
	require.Empty(t, all)
}

func TestAConnectTopicIsEnteredWithItsInstance(t *testing.T) {
	t.Parallel()
	o, org := newOnboard(t)
	instance := "arn:aws:connect:eu-central-1:123456789012:instance/5f0f2c26"
	added, err := o.SignUp(t.Context(), operate.ConnectTopic("arn:aws:sns:eu-central-1:123456789012:contacts", instance, org)...)
	require.NoError(t, err)
	require.Len(t, added, 2)
	sealed, err := o.SealedTokens(t.Context(), tenants.SNS, "connect", "arn:aws:sns:eu-central-1:123456789012:contacts")
	require.NoError(t, err)
	plain, err := o.Key.Open(sealed[0].Sealed, sealed[0].ID)
	require.NoError(t, err)
	require.Equal(t, instance, string(plain))
}

func TestWhatCannotBeEntered(t *testing.T) {
	t.Parallel()
	o, org := newOnboard(t)
	signUp := func(a operate.Account) error { _, err := o.SignUp(t.Context(), a); return err }
	place := func(s operate.Sender) error { _, err := o.PlaceSender(t.Context(), s); return err }
	for name, err := range map[string]error{
		"short SID":        signUp(operate.Account{Provider: tenants.Twilio, Name: "AC12", Orgs: []string{org}}),
		"nobody's account": signUp(operate.Account{Provider: tenants.Twilio, Name: sid}),
		"wrong ARN":        signUp(operate.Account{Provider: tenants.SNS, Name: "arn:aws:sqs:r:1:x", Orgs: []string{org}}),
		"no region":        signUp(operate.Account{Provider: tenants.SNS, Name: "arn:aws:sns:s3-us-west-2:123456789012:t", Orgs: []string{org}}),
		"a topic's name":   signUp(operate.Account{Provider: tenants.SNS, Name: "arn:aws:sns:eu-west-1:123456789012:a/b", Orgs: []string{org}}),
		"no instance":      signUp(operate.Account{Provider: tenants.Connect, Name: "arn:aws:connect:eu-west-1:123456789012:i", Orgs: []string{org}}),
		"an instance's id": signUp(operate.Account{Provider: tenants.Connect, Name: "arn:aws:connect:eu-west-1:123456789012:instance/a b", Orgs: []string{org}}),
		"no region of it":  signUp(operate.Account{Provider: tenants.Connect, Name: "arn:aws:connect::123456789012:instance/a", Orgs: []string{org}}),
		"org not a UUID":   place(operate.Sender{Value: "+15550100001", Org: "4711"}),
		"bare digits":      place(operate.Sender{Value: "15550100001", Org: org}),
		"unknown kind":     place(operate.Sender{Value: "+15550100001", Org: org, Kind: "fax"}),
		"nothing":          place(operate.Sender{Value: " ", Org: org}),
		"no URL":           place(operate.Sender{Value: "+15550100001", Org: org, VoiceRedirect: "calls.example.com/in"}),
		"no web":           place(operate.Sender{Value: "+15550100001", Org: org, VoiceRedirect: "tel:+15550100001"}),
		"a circle":         place(operate.Sender{Value: "+15550100001", Org: org, VoiceRedirect: "https://hooks.example.com/x/api/webhooks/voice?a=b"}),
	} {
		var usage *operate.UsageError
		require.ErrorAs(t, err, &usage, name)
	}
	_, err := o.Transfer(t.Context(), "+15550100001", org, time.Now().Add(4*time.Second))
	require.Equal(t, fault.Invalid, fault.ClassOf(err))
	_, err = o.Transfer(t.Context(), "+15550100001", uuid.NewString(), time.Now().Add(time.Minute))
	var missing *tenants.NotFoundError
	require.ErrorAs(t, err, &missing)
}

func TestASenderIsKeptInOneSpelling(t *testing.T) {
	t.Parallel()
	o, org := newOnboard(t)
	for _, c := range []struct {
		value, kept string
		kind        tenants.Kind
		guessed     tenants.Kind
	}{
		{"+1 (555) 010-0001", "+15550100001", "", tenants.Number},
		{"whatsapp:+1 555 010 0002", "whatsapp:+15550100002", "", tenants.WhatsApp},
		{"+15550100003", "whatsapp:+15550100003", tenants.WhatsApp, tenants.WhatsApp},
		{"55512", "55512", "", tenants.ShortCode},
		{"HARBOUR", "HARBOUR", "", tenants.Alphanumeric},
		{"MG0123456789abcdef0123456789abcdef", "MG0123456789abcdef0123456789abcdef", "", tenants.MessagingService},
		{"news@example.com", "news@example.com", "", tenants.EmailIdentity},
	} {
		placed, err := o.PlaceSender(t.Context(), operate.Sender{Value: c.value, Org: org, Kind: c.kind})
		require.NoError(t, err, c.value)
		require.Equal(t, c.kept, placed.Value)
		require.Equal(t, c.guessed, placed.Kind)
		require.Equal(t, events.OrgID(org), placed.Org)
	}
}
