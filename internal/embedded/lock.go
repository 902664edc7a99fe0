package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// FolderLock is the right to be the one process that works in a data folder.
// The kernel releases it when the process ends, however it ends.
type FolderLock struct {
	file *os.File
}

// Lock makes the folder if need be and takes its lock. While another process,
// or another Lock of this one, holds it, the error is an [ErrLocked] that names
// folder and holder.
func Lock(dir string) (*FolderLock, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("locking the data folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the data folder: %w", err)
	}
	path := filepath.Join(dir, "lock")
	file, err := tryLock(path)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, problemf(ErrLocked, "the data folder %s is in use by %s: stop that process or choose another folder",
			dir, holder(path))
	}
	if err != nil {
		return nil, fmt.Errorf("locking the data folder: %w", err)
	}
	return &FolderLock{file: file}, nil
}

// Release gives the folder free. The file stays: removing it would let two
// processes hold locks on two files of the same name.
func (l *FolderLock) Release() error {
	// Closing alone does not always do it: a child that was forked a moment ago
	// shares the open file until it executes its program.
	if fd, err := l.file.SyscallConn(); err == nil {
		_ = fd.Control(func(fd uintptr) { _ = syscall.Flock(int(fd), syscall.LOCK_UN) })
	}
	if err := l.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("releasing the data folder: %w", err)
	}
	return nil
}

// tryLock opens the file, takes its lock and writes our process id into it for
// those that come second. Files are opened close-on-exec, so that a PostgreSQL
// that outlives us does not keep the lock.
func tryLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := flock(file); err != nil {
		_ = file.Close()
		return nil, err
	}
	if err := errors.Join(file.Truncate(0), writeAt(file, strconv.Itoa(os.Getpid())+"\n")); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

func flock(file *os.File) error {
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

func writeAt(file *os.File, text string) error {
	_, err := file.WriteAt([]byte(text), 0)
	return err
}

func holder(path string) string {
	text, err := os.ReadFile(path)
	pid := strings.TrimSpace(string(text))
	if err != nil || pid == "" {
		return "another process"
	}
	return "process " + pid
}

// waitLock takes the lock of a file as soon as its holder lets go of it.
func waitLock(ctx context.Context, path string) (*FolderLock, error) {
	tick := time.NewTicker(100 * time.Millisecond) // flock cannot wait and obey a context
	defer tick.Stop()
	for {
		file, err := tryLock(path)
		if err == nil {
			return &FolderLock{file: file}, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for %s, which holds %s: %w", holder(path), path, ctx.Err())
		case <-tick.C:
		}
	}
}
