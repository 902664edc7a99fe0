package operate

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strconv"
)

// Wire is a request as it was saved from the wire.
type Wire struct {
	Head *http.Request // with the URI as it stands in the request line; its body is spent
	Body []byte
	Note string // what is odd about it, "" = nothing
}

// ReadWire reads a request in the form of HTTP/1.1: request line, headers, an
// empty line, the body. Lines may end in LF alone, as editors save them. Without
// a Content-Length all that follows is the body. The error quotes nothing of it.
func ReadWire(saved []byte) (*Wire, error) {
	in := bufio.NewReader(bytes.NewReader(saved))
	r, err := http.ReadRequest(in)
	if err != nil {
		return nil, usage("not a request as it stands on the wire: want POST /path HTTP/1.1, its headers, an empty line, and the body byte for byte")
	}
	w := &Wire{Head: r}
	if len(r.TransferEncoding) > 0 || r.Header.Get("Content-Length") != "" {
		w.Body, err = io.ReadAll(r.Body)
		if err != nil {
			w.Note = "the body is shorter than its head says: the file is not the whole request"
		}
		rest, _ := io.ReadAll(in)
		if len(bytes.TrimSpace(rest)) > 0 {
			w.Note = "the body is longer than its head says; what is beyond was left out"
		}
		return w, nil
	}
	if w.Body, err = io.ReadAll(in); err != nil {
		return nil, usage("the request cannot be read to its end")
	}
	r.ContentLength = int64(len(w.Body))
	r.Header.Set("Content-Length", strconv.Itoa(len(w.Body)))
	return w, nil
}

// Bases returns the base URLs that a request itself speaks of: as a proxy passes
// them on. Ingest never believes them; they only explain.
func (w *Wire) Bases() []Base {
	h := w.Head.Header
	hosts := []Base{{w.Head.Host, "the URL was that of the request's Host header"}}
	for _, name := range []string{"X-Forwarded-Host", "X-Original-Host"} {
		hosts = append(hosts, Base{h.Get(name), "the URL was that of the request's " + name + " header"})
	}
	var out []Base
	for _, b := range hosts {
		if b.URL == "" {
			continue
		}
		for _, prefix := range []string{"", h.Get("X-Forwarded-Prefix")} {
			out = append(out, Base{"https://" + b.URL + prefix, b.How})
		}
	}
	return out
}
