package status_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"waybill/internal/email"
	"waybill/internal/events"
	"waybill/internal/messaging"
	"waybill/internal/testkit"
	"waybill/internal/voice"
	"waybill/status"
)

type object = map[string]any

// The document is about the topics that there are, with the settings they have.
func TestTheContractIsAboutOurTopics(t *testing.T) {
	t.Parallel()
	contract := testkit.AsyncAPI(t)
	require.Equal(t, []string{events.TopicSends, status.TopicCalls, status.TopicCampaigns, status.TopicMessages}, contract.Topics())
	specs := map[string]events.TopicSpec{}
	for _, s := range events.Topics(events.Production) {
		specs[s.Name] = s
	}
	for _, node := range contract.Document["channels"].(object) {
		channel := node.(object)
		spec, ok := specs[channel["address"].(string)]
		require.True(t, ok, channel["address"])
		kafka := channel["bindings"].(object)["kafka"].(object)
		require.Equal(t, json.Number(number(spec.Partitions)), kafka["partitions"], spec.Name)
		settings := kafka["topicConfiguration"].(object)
		if spec.Compacted {
			require.Equal(t, object{"cleanup.policy": []any{"compact"}}, settings, spec.Name)
			continue
		}
		want := object{"cleanup.policy": []any{"delete"}, "retention.ms": json.Number(number(int(spec.Retention.Milliseconds())))}
		require.Equal(t, want, settings, spec.Name)
	}
}

func number(n int) string {
	b, _ := json.Marshal(n)
	return string(b)
}

// Names stand in this package as texts, for its readers; here they meet their source.
func TestNamesAreThoseThatWaybillUses(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{events.TopicStatusMessages, events.TopicStatusCalls, events.TopicStatusCampaigns},
		[]string{status.TopicMessages, status.TopicCalls, status.TopicCampaigns})
	require.Equal(t, []string{events.TypeMessageStatus, events.TypeCallStatus, events.TypeCampaignStatus},
		[]string{status.TypeMessage, status.TypeCall, status.TypeCampaign})
	documented := testkit.AsyncAPI(t).Document["components"].(object)["schemas"].(object)["Status"].(object)["description"].(string)
	terminal := map[string]bool{}
	for _, s := range messaging.Statuses() {
		terminal[s.Name] = s.Terminal
	}
	for _, s := range email.Statuses() {
		terminal[s.Name] = s.Terminal
	}
	for _, s := range voice.Statuses() {
		terminal[s.Name] = s.Terminal
	}
	for name, is := range terminal {
		require.Equal(t, is, status.Terminal(name), name)
		require.Contains(t, strings.FieldsFunc(documented, func(r rune) bool { return strings.ContainsRune(" ,.\n", r) }), name)
	}
}

// The document's own examples are as it says.
func TestExamplesOfTheContract(t *testing.T) {
	t.Parallel()
	contract := testkit.AsyncAPI(t)
	for _, topic := range contract.Topics() {
		examples := contract.Message(topic)["examples"].([]any)
		require.NotEmpty(t, examples, topic)
		for _, example := range examples {
			payload, err := json.Marshal(example.(object)["payload"])
			require.NoError(t, err)
			require.NoError(t, contract.ExactPayload(topic, payload), "%s, %s", topic, example.(object)["name"])
		}
	}
}

// officialEnv names the file that holds the JSON Schema of AsyncAPI 3.0 documents;
// `make asyncapi` gets it from the registry and sets this.
const officialEnv = "WAYBILL_ASYNCAPI_SCHEMA"

func TestTheContractIsAnAsyncAPIDocument(t *testing.T) {
	t.Parallel()
	contract := testkit.AsyncAPI(t)
	requireWhole(t, contract)
	for name, node := range contract.Document["operations"].(object) {
		op := node.(object)
		want := "send" // of Waybill
		if strings.HasPrefix(name, "receive") {
			want = "receive"
		}
		require.Equal(t, want, op["action"], name)
	}
	file := os.Getenv(officialEnv)
	if file == "" {
		t.Log("not compared with AsyncAPI's own schema: `make asyncapi` does")
		return
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	const name = "http://asyncapi.com/definitions/3.0.0/asyncapi.json"
	require.NoError(t, compiler.AddResource(name, schema))
	official, err := compiler.Compile(name)
	require.NoError(t, err)
	require.NoError(t, official.Validate(contract.Document))
	broken := object{"asyncapi": "3.0.0", "info": contract.Document["info"], "topics": object{}}
	require.Error(t, official.Validate(broken), "it takes anything")
}

// requireWhole is that every reference leads somewhere and stands alone, since
// nothing beside it is read, and that every named part is referred to.
func requireWhole(t *testing.T, contract *testkit.Contract) {
	t.Helper()
	refs := map[string]bool{}
	references(t, contract.Document, refs)
	for ref := range refs {
		require.NotNil(t, contract.At(ref), "nothing stands at %s", ref)
	}
	for kind, parts := range contract.Document["components"].(object) {
		for name := range parts.(object) {
			require.Contains(t, refs, "#/components/"+kind+"/"+name, "nothing refers to it")
		}
	}
}

func references(t *testing.T, node any, into map[string]bool) {
	t.Helper()
	switch n := node.(type) {
	case object:
		if ref, ok := n["$ref"].(string); ok {
			into[ref] = true
			require.Len(t, n, 1, ref)
		}
		for _, child := range n {
			references(t, child, into)
		}
	case []any:
		for _, child := range n {
			references(t, child, into)
		}
	}
}
