package testkit

import (
	"maps"
	"slices"
	"strings"
)

// Fields lists the fields of a topic's payload: path, as in recipients[].id, to
// type and whether it is always there, as in "string always", "integer optional".
func (c *Contract) Fields(topic string) map[string]string {
	return c.fields(c.Message(topic)["payload"], "")
}

// Message returns a topic's message as the document describes it, nil if it does not.
func (c *Contract) Message(topic string) map[string]any {
	for _, node := range c.Document["channels"].(map[string]any) {
		if address, message := channelOf(node); address == topic {
			return c.At(message)
		}
	}
	return nil
}

func (c *Contract) fields(node any, prefix string) map[string]string {
	schema, out := c.follow(node), map[string]string{}
	for _, piece := range list(schema["allOf"]) {
		maps.Copy(out, c.fields(piece, prefix))
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, node := range properties {
		field, always := c.follow(node), "optional"
		if slices.Contains(list(schema["required"]), any(name)) {
			always = "always"
		}
		typ, _ := field["type"].(string)
		if typ == "" { // const and enum: ours are texts
			typ = "string"
		}
		out[prefix+name] = typ + " " + always
		if items := field["items"]; items != nil {
			maps.Copy(out, c.fields(items, prefix+name+"[]."))
		}
	}
	return out
}

// follow returns the schema that a node is or refers to.
func (c *Contract) follow(node any) map[string]any {
	schema, _ := node.(map[string]any)
	if ref, ok := schema["$ref"].(string); ok {
		return c.At(ref)
	}
	return schema
}

// At returns what a reference within the document names, nil if nothing.
func (c *Contract) At(ref string) map[string]any {
	node := c.Document
	for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		node, _ = node[name].(map[string]any)
	}
	return node
}

func list(node any) []any {
	l, _ := node.([]any)
	return l
}
