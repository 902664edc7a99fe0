package testkit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"waybill/internal/events"
)

// Contract is docs/asyncapi.yaml, which describes the topics that other programs
// read and write. It is safe for concurrent use.
type Contract struct {
	Document map[string]any // as JSON has it

	published, exact map[string]form // by topic
}

// form is what a topic's records must be.
type form struct{ key, headers, payload *jsonschema.Schema }

var loadContract = sync.OnceValues(func() (*Contract, error) {
	text, err := os.ReadFile(filepath.Join(Root(), "docs", "asyncapi.yaml"))
	if err != nil {
		return nil, err
	}
	published, err := toJSON(text)
	if err != nil {
		return nil, err
	}
	exact, err := toJSON(text)
	if err != nil {
		return nil, err
	}
	closeObjects(exact)
	c := &Contract{Document: published}
	if c.published, err = compile(published); err != nil {
		return nil, err
	}
	c.exact, err = compile(exact)
	return c, err
})

// AsyncAPI returns the contract.
func AsyncAPI(tb testing.TB) *Contract {
	tb.Helper()
	c, err := loadContract()
	require.NoError(tb, err, "docs/asyncapi.yaml")
	return c
}

// Published says what in a record is not as the contract promises.
func (c *Contract) Published(rec *events.Record) error { return validate(c.published, rec) }

// Exact is Published, and besides says which fields and headers the contract
// does not name: consumers ignore them, but Waybill writes none.
func (c *Contract) Exact(rec *events.Record) error { return validate(c.exact, rec) }

// ExactPayload is Exact for the payload alone.
func (c *Contract) ExactPayload(topic string, payload []byte) error {
	f, ok := c.exact[topic]
	if !ok {
		return fmt.Errorf("topic %s is not in the contract", topic)
	}
	return validateJSON(f.payload, payload)
}

// Topics returns the topics of the contract, sorted.
func (c *Contract) Topics() []string {
	var out []string
	for topic := range c.published {
		out = append(out, topic)
	}
	slices.Sort(out)
	return out
}

func toJSON(text []byte) (map[string]any, error) {
	var doc map[string]any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return parsed.(map[string]any), nil
}

// closeObjects forbids what is not named, in every schema that is a whole and
// not a piece of others.
func closeObjects(node any) {
	switch n := node.(type) {
	case map[string]any:
		_, named := n["properties"]
		_, composed := n["allOf"]
		if n["type"] == "object" && (named || composed) {
			n["unevaluatedProperties"] = false
		}
		for _, child := range n {
			closeObjects(child)
		}
	case []any:
		for _, child := range n {
			closeObjects(child)
		}
	}
}

// compile returns the form of each channel's one message.
func compile(doc map[string]any) (map[string]form, error) {
	const name = "asyncapi.json"
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource(name, doc); err != nil {
		return nil, err
	}
	out := map[string]form{}
	for channel, node := range doc["channels"].(map[string]any) {
		address, message := channelOf(node)
		var f form
		for at, into := range map[string]**jsonschema.Schema{
			"/headers": &f.headers, "/payload": &f.payload, "/bindings/kafka/key": &f.key,
		} {
			schema, err := compiler.Compile(name + message + at)
			if err != nil {
				return nil, fmt.Errorf("the message of channel %s: %w", channel, err)
			}
			*into = schema
		}
		out[address] = f
	}
	return out, nil
}

// channelOf returns a channel's topic and where its one message stands.
func channelOf(node any) (address, message string) {
	channel := node.(map[string]any)
	for _, ref := range channel["messages"].(map[string]any) {
		message = ref.(map[string]any)["$ref"].(string)
	}
	return channel["address"].(string), message
}

func validate(forms map[string]form, rec *events.Record) error {
	f, ok := forms[rec.Topic]
	if !ok {
		return fmt.Errorf("topic %s is not in the contract", rec.Topic)
	}
	var errs []error
	part := func(name string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	headers := map[string]any{}
	for _, h := range rec.Headers {
		if _, twice := headers[h.Key]; twice {
			part("headers", fmt.Errorf("%s comes twice", h.Key))
		}
		headers[h.Key] = string(h.Value)
	}
	part("key", f.key.Validate(string(rec.Key)))
	part("headers", f.headers.Validate(headers))
	part("payload", validateJSON(f.payload, rec.Value))
	return errors.Join(errs...)
}

func validateJSON(schema *jsonschema.Schema, value []byte) error {
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	if err != nil {
		return err
	}
	return schema.Validate(parsed)
}
