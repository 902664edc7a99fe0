package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the unprivileged user that PostgreSQL's programs run as when we
// are root. A nil account stands for ourselves and may do whatever we may.
type account struct {
	name     string
	uid, gid uint32
}

// accountFor returns the account for a data folder: nobody but ourselves
// unless we are root, then the folder's owner so far, else postgres or nobody.
func accountFor(data string) (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	if info, err := os.Stat(data); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 {
			return &account{name: "user " + strconv.Itoa(int(st.Uid)), uid: st.Uid, gid: st.Gid}, nil
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("reading the ids of user %s: %w", name, err)
		}
		return &account{name: "user " + name, uid: uint32(uid), gid: uint32(gid)}, nil
	}
	return nil, problemf(ErrNoPostgres,
		"PostgreSQL refuses to run as root and there is neither a user postgres nor nobody: add one or start as another user")
}

// credential returns what makes a child process run as the account.
func (a *account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

// own gives a file or a whole folder to the account.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return filepath.WalkDir(path, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(p, int(a.uid), int(a.gid))
	})
}

// blocked returns the first folder on the way to path, itself included, that
// the account may not enter; "" if there is none. What does not exist yet is
// not in the way. Only mode bits are looked at, as in all but rare set-ups.
func (a *account) blocked(path string) string {
	if a == nil {
		return ""
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if parent := filepath.Dir(path); parent != path {
		if at := a.blocked(parent); at != "" {
			return at
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	if !a.mayEnter(info) {
		return path
	}
	return ""
}

func (a *account) mayEnter(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}
	switch mode := info.Mode().Perm(); {
	case st.Uid == a.uid:
		return mode&0o100 != 0
	case st.Gid == a.gid:
		return mode&0o010 != 0
	default:
		return mode&0o001 != 0
	}
}

// MkdirTemp makes a fresh folder in the system's temporary folder that the
// account PostgreSQL runs as can enter, which os.MkdirTemp's cannot be by it.
// The caller removes it.
func MkdirTemp(pattern string) (string, error) {
	dir, err := os.MkdirTemp("", pattern)
	if err != nil {
		return "", fmt.Errorf("making a temporary folder: %w", err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chmod(dir, 0o711); err != nil { // to pass through, not to look around
			return "", errors.Join(fmt.Errorf("opening a temporary folder: %w", err), os.Remove(dir))
		}
	}
	return dir, nil
}
