package twilio

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// base is one public base URL in the spellings that Twilio may have signed.
type base struct {
	// accepted holds the URL as configured, then the other port rule: Twilio
	// signs HTTPS callbacks with the port for messaging and without for voice,
	// and some with :443 where none was given.
	accepted []string
	// foreign holds spellings that are refused and tried only to explain a
	// refusal: what a wrong scheme, port or path prefix would have given.
	foreign []string
}

func parseBases(urls []string) ([]base, error) {
	if len(urls) == 0 {
		return nil, errors.New("no public base URL: Twilio signs the URL, so it must be known")
	}
	bases := make([]base, 0, len(urls))
	var errs []error
	for i, s := range urls {
		b, err := parseBase(strings.TrimSpace(s))
		if err != nil {
			errs = append(errs, fmt.Errorf("public base URL %d: %w", i+1, err))
		}
		bases = append(bases, b)
	}
	return bases, errors.Join(errs...)
}

// parseBase reads one base URL. The host's case is kept, as Twilio keeps it.
func parseBase(s string) (base, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return base{}, errors.New("not a URL") // the cause quotes it
	case u.Scheme != "http" && u.Scheme != "https":
		return base{}, errors.New("want an absolute http or https URL")
	case u.Hostname() == "" || strings.HasSuffix(u.Host, ":"):
		return base{}, errors.New("want a host, and a port only with a number")
	case u.User != nil:
		return base{}, errors.New("want no user and password: Twilio drops them before it signs")
	case u.RawQuery != "" || u.ForceQuery:
		return base{}, errors.New("want no query")
	case strings.Contains(s, "#"):
		return base{}, errors.New("want no fragment: Twilio does not sign it")
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	bare := strings.TrimSuffix(u.Host, ":"+u.Port())
	spell := func(scheme, host, path string) string { return scheme + "://" + host + path }

	b := base{accepted: []string{spell(u.Scheme, u.Host, path)}}
	if u.Scheme == "https" {
		other := bare
		if u.Port() == "" {
			other = u.Host + ":443"
		}
		b.accepted = append(b.accepted, spell(u.Scheme, other, path))
	}
	for _, scheme := range []string{"https", "http"} {
		for _, host := range []string{u.Host, bare, bare + ":443", bare + ":80"} {
			b.addForeign(spell(scheme, host, path))
		}
	}
	b.addForeign(spell(u.Scheme, u.Host, "")) // a proxy that adds the path itself
	return b, nil
}

func (b *base) addForeign(s string) {
	if !slices.Contains(b.accepted, s) && !slices.Contains(b.foreign, s) {
		b.foreign = append(b.foreign, s)
	}
}
