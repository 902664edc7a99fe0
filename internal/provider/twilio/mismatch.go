package twilio

import (
	"net/url"
	"slices"
	"strings"
)

// Bounds of the search for an explanation, so that a forger cannot make it
// dear: beyond them a refusal is just a bad signature.
const (
	maxExplained = 16 << 10 // bytes of URI and form
	maxPermuted  = 3        // query parameters of which every order is tried
)

// signedElsewhere tells what differs in the spelling of the URL over which a
// refused signature was made with one of the secrets; "" if there is none. That
// is nearly always a proxy that rewrites the query or a base URL that differs
// from the one given to Twilio, and an operator should be told so. Headers such
// as X-Forwarded-Host are not consulted: they are the caller's.
func (t *Twilio) signedElsewhere(signature []byte, keys []key, uri string, tail []byte) (how string) {
	if len(uri)+len(tail) > maxExplained {
		return ""
	}
	for _, b := range t.bases {
		for _, other := range b.foreign {
			if matching(signature, keys, []string{other}, uri, tail) != nil {
				return difference(b.accepted[0], other)
			}
		}
	}
	for _, other := range respellings(uri) {
		for _, b := range t.bases {
			if matching(signature, keys, b.accepted, other, tail) != nil {
				return respelled(uri, other)
			}
		}
	}
	return ""
}

// respellings returns other ways to write a request URI: the trailing slash
// added or taken away, the query's parameters in other orders, and in each
// order escaped in the ways that proxies and frameworks do.
func respellings(uri string) []string {
	path, query, hasQuery := strings.Cut(uri, "?")
	slash := path + "/"
	if trimmed, ok := strings.CutSuffix(path, "/"); ok {
		slash = trimmed
	}
	if !hasQuery {
		return []string{slash, uri + "?"}
	}
	out := []string{slash + "?" + query, path}
	seen := map[string]bool{query: true}
	for _, pairs := range orders(strings.Split(query, "&")) {
		for _, escape := range escapes {
			q := escape(pairs)
			if !seen[q] {
				seen[q] = true
				out = append(out, path+"?"+q)
			}
		}
	}
	return out
}

// orders returns the pairs in every order if they are few, else as they are
// and sorted.
func orders(pairs []string) [][]string {
	if len(pairs) > maxPermuted {
		sorted := slices.Clone(pairs)
		slices.Sort(sorted)
		return [][]string{pairs, sorted}
	}
	if len(pairs) < 2 {
		return [][]string{pairs}
	}
	var out [][]string
	for i := range pairs {
		rest := slices.Delete(slices.Clone(pairs), i, i+1)
		for _, tail := range orders(rest) {
			out = append(out, append([]string{pairs[i]}, tail...))
		}
	}
	return out
}

// escapes are the ways to write the pairs of a query.
var escapes = []func(pairs []string) string{
	joined,
	reEscaped,
	func(p []string) string { return strings.ReplaceAll(joined(p), "'", "%27") },
	func(p []string) string { return strings.ReplaceAll(joined(p), "%27", "'") },
	func(p []string) string { return strings.ReplaceAll(joined(p), "+", "%20") },
	func(p []string) string { return strings.ReplaceAll(joined(p), "%20", "+") },
	func(p []string) string { return unescape(strings.ReplaceAll(joined(p), "+", "%2B")) },
}

func joined(pairs []string) string { return strings.Join(pairs, "&") }

// reEscaped writes pairs as Go's url.Values.Encode does.
func reEscaped(pairs []string) string {
	out := make([]string, len(pairs))
	for i, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		out[i] = url.QueryEscape(unescape(name)) + "=" + url.QueryEscape(unescape(value))
	}
	return joined(out)
}
