// Package config reads the environment, and nothing else does. Each room owns
// a struct with tags and a Validate method; [Load] fills it and reports every
// problem at once, so that an operator fixes them in one go.
package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Secret is a text that never prints: not in logs, not in errors, not in JSON.
// Convert it with string(s) where it is used.
type Secret string

const hidden = "***"

// String returns *** (nothing if the secret is empty).
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// Format hides the secret from every verb of fmt: one that does not fit a
// text, such as %d, would print it raw in its complaint.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the secret from JSON and other text encodings.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// SecretBytes is a [Secret] in bytes. A field of this type hides its value
// wherever fmt can reach the field.
type SecretBytes []byte

// String returns *** (nothing if the secret is empty).
func (s SecretBytes) String() string { return Secret(s).String() }

// Format hides the secret from every verb of fmt.
func (s SecretBytes) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue hides the secret from slog.
func (s SecretBytes) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the secret from JSON and other text encodings.
func (s SecretBytes) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Validator is a config that can check itself. Validate returns all problems
// joined, each naming its variable and saying what to do.
type Validator interface{ Validate() error }

// Source is where values come from: os.Environ as a map, or a test's own.
type Source map[string]string

// Load fills cfg, a pointer to a struct with `env` tags, from src and
// validates it. The error holds every problem, one a line.
func Load(cfg any, src Source) error {
	var errs []error
	if err := env.ParseWithOptions(cfg, env.Options{Environment: src}); err != nil {
		var agg env.AggregateError
		if errors.As(err, &agg) {
			for _, e := range agg.Errors {
				errs = append(errs, describe(cfg, e))
			}
		} else {
			errs = append(errs, describe(cfg, err))
		}
	}
	for _, v := range validators(reflect.ValueOf(cfg)) {
		if err := v.Validate(); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("the configuration cannot be used:\n  %s", strings.ReplaceAll(err.Error(), "\n", "\n  "))
	}
	return nil
}

// describe says which variable is wrong without quoting its value.
func describe(cfg any, err error) error {
	var parse env.ParseError
	var unset env.VarIsNotSetError
	switch {
	case errors.As(err, &parse):
		return fmt.Errorf("%s: want %s", variable(cfg, parse), parse.Type)
	case errors.As(err, &unset):
		return fmt.Errorf("%s: must be set", unset.Key)
	}
	return err
}

// variable returns the name of the variable that could not be parsed; the
// library knows only the field. Fields that share name and type are all named.
func variable(cfg any, parse env.ParseError) string {
	var names []string
	for _, f := range Fields(cfg) {
		if f.field == parse.Name && f.Type == parse.Type.String() {
			names = append(names, f.Name)
		}
	}
	return strings.Join(names, " or ")
}

// validators returns the structs inside cfg, and cfg itself, that validate.
func validators(v reflect.Value) []Validator {
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return nil
	}
	var out []Validator
	for i := range v.Elem().NumField() {
		if f := v.Elem().Field(i); f.Kind() == reflect.Struct && f.CanAddr() && f.Addr().CanInterface() {
			out = append(out, validators(f.Addr())...)
		}
	}
	if val, ok := v.Interface().(Validator); ok {
		out = append(out, val)
	}
	return out
}

// Field describes one variable, for the generated page.
type Field struct {
	Name, Default, Doc, Type string

	field string // the struct's field
}

// Fields returns the variables of cfg in order.
func Fields(cfg any) []Field { return fields(reflect.TypeOf(cfg)) }

func fields(t reflect.Type) []Field {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var out []Field
	for f := range structFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("env"), ","); name != "" {
			out = append(out, Field{name, f.Tag.Get("envDefault"), f.Tag.Get("doc"), f.Type.String(), f.Name})
		} else if f.Type.Kind() == reflect.Struct {
			out = append(out, fields(f.Type)...)
		}
	}
	return out
}

func structFields(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}

// Environ turns os.Environ's form into a Source.
func Environ(vars []string) Source {
	src := make(Source, len(vars))
	for _, kv := range vars {
		if k, v, ok := strings.Cut(kv, "="); ok {
			src[k] = v
		}
	}
	return src
}

// LogValue returns the effective values of cfg for the line at start-up.
func LogValue(cfg any) slog.Value {
	return slog.GroupValue(attrs(reflect.ValueOf(cfg))...)
}

func attrs(v reflect.Value) []slog.Attr {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	var out []slog.Attr
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if name, _, _ := strings.Cut(f.Tag.Get("env"), ","); name != "" {
			out = append(out, slog.Any(name, v.Field(i).Interface()))
		} else if f.Type.Kind() == reflect.Struct {
			out = append(out, attrs(v.Field(i))...)
		}
	}
	return out
}
