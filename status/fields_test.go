package status_test

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/testkit"
	"waybill/status"
)

// Fields are only ever added, and what is added is optional. testdata/fields.txt
// lists them all: a line of it that is not true any more breaks somebody's
// program; a field without a line has just been added.
func TestFieldsAreOnlyAdded(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/fields.txt")
	require.NoError(t, err)
	listed := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			listed[strings.Join(strings.Fields(line), " ")] = true
		}
	}
	contract := testkit.AsyncAPI(t)
	now := map[string]bool{}
	for _, topic := range contract.Topics() {
		fields := contract.Fields(topic)
		for _, path := range slices.Sorted(maps.Keys(fields)) {
			now[strings.TrimPrefix(topic, "waybill.")+" "+path+" "+fields[path]] = true
		}
	}
	for _, line := range slices.Sorted(maps.Keys(listed)) {
		require.Contains(t, now, line, "this field was removed, renamed, or changed its type or whether it is always there")
	}
	for _, line := range slices.Sorted(maps.Keys(now)) {
		require.Contains(t, listed, line, "a new field: add its line to testdata/fields.txt; it must be optional")
	}
}

// The types that write the records, and those that read them, have the fields of
// the contract and no others.
func TestFieldsAreThoseOfTheTypes(t *testing.T) {
	t.Parallel()
	contract := testkit.AsyncAPI(t)
	for _, c := range []struct {
		topic  string
		of     any
		writes bool // and so omits what is optional
	}{
		{status.TopicMessages, status.Message{}, false},
		{status.TopicCalls, status.Call{}, false},
		{status.TopicCampaigns, status.Campaign{}, false},
		{events.TopicStatusMessages, events.Status{}, true},
		{events.TopicStatusCampaigns, events.CampaignStatus{}, true},
		{events.TopicSends, events.Send{}, true},
	} {
		want := contract.Fields(c.topic)
		have := fieldsOf(reflect.TypeOf(c.of), "")
		if c.writes {
			for path, optional := range want {
				if always := strings.Replace(optional, "optional", "always", 1); have[path] == always { // more than is promised
					want[path] = always
				}
			}
		}
		require.Equal(t, want, have, "%T", c.of)
	}
}

// fieldsOf lists the fields of a type's JSON as [testkit.Contract.Fields] does.
func fieldsOf(of reflect.Type, prefix string) map[string]string {
	out := map[string]string{}
	for i := range of.NumField() {
		f := of.Field(i)
		if f.Anonymous {
			maps.Copy(out, fieldsOf(f.Type, prefix))
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		always := "always"
		if options != "" { // omitempty, omitzero
			always = "optional"
		}
		typ := f.Type
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		out[prefix+name] = jsonType(typ) + " " + always
		if typ.Kind() == reflect.Slice {
			maps.Copy(out, fieldsOf(typ.Elem(), prefix+name+"[]."))
		}
	}
	return out
}

func jsonType(typ reflect.Type) string {
	switch {
	case typ == reflect.TypeFor[time.Time](), typ.Kind() == reflect.String:
		return "string"
	case typ.Kind() == reflect.Int64:
		return "integer"
	case typ.Kind() == reflect.Map:
		return "object"
	case typ.Kind() == reflect.Slice:
		return "array"
	}
	return fmt.Sprint(typ)
}
