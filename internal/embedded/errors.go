package embedded

import (
	"errors"
	"fmt"
)

// The kinds of problem that a person at the keyboard can solve. The error that
// carries one is a sentence that says what to do next.
var (
	// ErrLocked: another process works in the data folder.
	ErrLocked = errors.New("data folder in use")
	// ErrNoPostgres: no usable PostgreSQL here and none could be downloaded.
	ErrNoPostgres = errors.New("no PostgreSQL to be had")
	// ErrPortTaken: another program listens on the requested port.
	ErrPortTaken = errors.New("port taken")
	// ErrUnreachable: the user that PostgreSQL runs as cannot enter the data folder.
	ErrUnreachable = errors.New("data folder out of reach")
)

// problem is a sentence for a person, and the kind it belongs to.
type problem struct {
	kind     error
	sentence string
}

func (p *problem) Error() string { return p.sentence }
func (p *problem) Unwrap() error { return p.kind }

func problemf(kind error, format string, args ...any) error {
	return &problem{kind: kind, sentence: fmt.Sprintf(format, args...)}
}
