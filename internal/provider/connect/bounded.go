package connect

import (
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"

	"waybill/internal/fault"
)

// bounded reads so many bytes and fails if there are more.
type bounded struct {
	r    io.Reader
	left int64
}

// Read implements [io.Reader].
func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fault.New(fault.Internal, reasonTooLarge)
	}
	return n, err
}

// ahead reads for a decoder, which keeps all that it has not understood yet: it
// fails where that would become more than the window, or all of it more than a
// request may have.
type ahead struct {
	r          io.Reader
	read       int64
	understood func() int64
}

// Read implements [io.Reader].
func (a *ahead) Read(p []byte) (int, error) {
	room := a.understood() + window - a.read
	if room <= 0 {
		return 0, fault.New(fault.Internal, reasonRecordTooBig)
	}
	if int64(len(p)) > room {
		p = p[:room]
	}
	n, err := a.r.Read(p)
	if a.read += int64(n); a.read > MaxRequestBytes {
		return 0, fault.New(fault.Internal, reasonTooLarge)
	}
	return n, err
}

// damaged tells whether an error says that what was read is no gzip.
func damaged(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, &corrupt)
}
