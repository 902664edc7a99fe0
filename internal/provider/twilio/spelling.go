package twilio

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"waybill/internal/provider"
)

// Spellings returns a request as it may have left Twilio, as it came first and
// then by how much differs: its body and its URL in the ways in which proxies,
// frameworks and whoever saved it change them. A changed URL or body alone is
// undone, and both together.
func Spellings(r *provider.Request) []provider.Spelling {
	bodies := bodySpellings(r)
	var out, both []provider.Spelling
	for i, b := range bodies {
		out = append(out, b)
		for _, u := range uriSpellings(b.Request.URI) {
			s := b
			s.Request.URI, s.How = u.URL, append([]string{u.How}, b.How...)
			if i == 0 {
				out = append(out, s)
			} else {
				both = append(both, s)
			}
		}
	}
	out = append(out, both...)
	if _, named := r.Header[headerSettings]; named {
		other := *r
		other.Header = r.Header.Clone()
		other.Header.Del(headerSettings)
		out = append(out, provider.Spelling{Request: other, How: []string{
			"it was signed with the auth token, though " + headerSettings + " names a shared key: that header was added on the way",
		}})
	}
	return out
}

// uriSpellings names what [respellings] does.
func uriSpellings(uri string) []provider.BaseSpelling {
	var out []provider.BaseSpelling
	for _, other := range respellings(uri) {
		out = append(out, provider.BaseSpelling{URL: other, How: respelled(uri, other)})
	}
	return out
}

// respelled tells what differs in a request URI from another of its spellings.
func respelled(uri, other string) string {
	path, query, _ := strings.Cut(uri, "?")
	p, q, found := strings.Cut(other, "?")
	switch {
	case p != path && strings.HasSuffix(path, "/"):
		return "the path had no slash at its end"
	case p != path:
		return "the path had a slash at its end"
	case !found:
		return "the URL had no query"
	case q == "" && query == "":
		return "the URL ended with a question mark"
	}
	return "the query's parameters were in another order or escaped otherwise"
}

// bodySpellings returns a request with its body, or method, as it may have been.
func bodySpellings(r *provider.Request) []provider.Spelling {
	out := []provider.Spelling{{Request: *r}}
	add := func(how string, change func(*provider.Request)) {
		other := *r
		other.Header = r.Header.Clone()
		change(&other)
		out = append(out, provider.Spelling{Request: other, How: []string{how}})
	}
	form := func(b string) func(*provider.Request) {
		return func(o *provider.Request) {
			o.Method, o.Body = http.MethodPost, []byte(b)
			o.Header.Set(headerContentType, "application/x-www-form-urlencoded")
		}
	}
	if r.Method == http.MethodGet {
		if path, query, found := strings.Cut(r.URI, "?"); found {
			add("it was a POST whose form a proxy moved into the query", func(o *provider.Request) {
				form(query)(o)
				o.URI = path
			})
		}
		return out
	}
	if isJSON(r.Header.Get(headerContentType)) {
		if ps := parseJSON(r.Body); ps != nil {
			add("the body was a form that was made into JSON on the way", form(encode(ps)))
		} else {
			add("the body was a form, though Content-Type says JSON", form(string(r.Body)))
		}
		add("the URL was signed with the bodySHA256 of another body: the JSON was changed on the way", unsigned)
		return out
	}
	body := string(r.Body)
	if trimmed := strings.TrimRight(body, "\r\n"); trimmed != body {
		add("the body had no line break at its end", form(trimmed))
	}
	if strings.Contains(body, "=+") { // a number in E.164
		add("the form's plus signs before numbers were %2B: it was decoded and not encoded again", form(strings.ReplaceAll(body, "=+", "=%2B")))
	}
	if ps := parseForm(body); slices.ContainsFunc(ps, empty) {
		add("parameters without a value were not there", form(encode(slices.DeleteFunc(ps, empty))))
	}
	if strings.Contains(r.URI, hashParam) {
		add("the body was JSON and signed through bodySHA256", unsigned)
	} else if len(body) > 0 {
		add("nothing but the URL was signed: it was a GET, or its body was added on the way", unsigned)
	}
	return out
}

// unsigned leaves the URL alone to be signed.
func unsigned(o *provider.Request) { o.Method, o.Body = http.MethodGet, nil }

func empty(p param) bool { return p.value == "" }

func encode(ps params) string {
	var b bytes.Buffer
	for i, p := range ps {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(p.name) + "=" + url.QueryEscape(p.value))
	}
	return b.String()
}

// BaseSpellings returns a base URL in the ways in which it may have been given
// to Twilio, as it is first. What is no base URL has none.
func BaseSpellings(s string) []provider.BaseSpelling {
	b, err := parseBase(strings.TrimSpace(s))
	if err != nil {
		return nil
	}
	was := b.accepted[0]
	out := []provider.BaseSpelling{{URL: was}}
	for _, other := range b.foreign {
		out = append(out, provider.BaseSpelling{URL: other, How: difference(was, other)})
	}
	return out
}

// difference tells two base URLs apart; both can be read.
func difference(was, other string) string {
	a, _ := url.Parse(was)
	b, _ := url.Parse(other)
	var parts []string
	if a.Scheme != b.Scheme {
		parts = append(parts, "scheme")
	}
	if a.Host != b.Host {
		parts = append(parts, "port")
	}
	if a.Path != b.Path {
		parts = append(parts, "path prefix")
	}
	return "the URL had another " + strings.Join(parts, " and another ")
}
