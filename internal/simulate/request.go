package simulate

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
)

// Request is one callback, ready to be sent: a repeat is the same bytes again.
type Request struct {
	Method string
	Path   string // with query
	Header http.Header
	Body   []byte
}

// appendTo writes the request as HTTP/1.1 (RFC 9112), the same bytes each time.
func (r *Request) appendTo(b []byte, host string) []byte {
	b = append(b, r.Method+" "+r.Path+" HTTP/1.1\r\nHost: "+host+"\r\n"...)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		for _, value := range r.Header[name] {
			b = append(b, name+": "+value+"\r\n"...)
		}
	}
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, int64(len(r.Body)), 10)
	b = append(b, "\r\n\r\n"...)
	return append(b, r.Body...)
}
