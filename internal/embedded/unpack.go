package embedded

import (
	"archive/tar"
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/xi2/xz"
)

// unpack writes the PostgreSQL in a jar, a .txz inside a zip, to a new folder
// that everybody may read. Nothing is written outside that folder.
func unpack(jar, dir string) error {
	archive, err := zip.OpenReader(jar)
	if err != nil {
		return err
	}
	defer archive.Close()
	for _, file := range archive.File {
		if !strings.HasSuffix(file.Name, ".txz") {
			continue
		}
		if err := unpackEntry(file, dir); err != nil {
			return err
		}
		return openFolders(dir)
	}
	return errors.New("the archive holds no .txz")
}

func unpackEntry(file *zip.File, dir string) error {
	packed, err := file.Open()
	if err != nil {
		return err
	}
	defer packed.Close()
	plain, err := xz.NewReader(packed, 0)
	if err != nil {
		return err
	}
	return untar(plain, dir)
}

// openFolders undoes what a strict umask did to the folders: PostgreSQL may
// run as another user than we do.
func openFolders(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		return os.Chmod(path, 0o755)
	})
}

func untar(from io.Reader, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for entries := tar.NewReader(from); ; {
		head, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := untarEntry(root, head, entries); err != nil {
			return err
		}
	}
}

func untarEntry(root *os.Root, head *tar.Header, content io.Reader) error {
	name := filepath.Clean(head.Name)
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	switch head.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case tar.TypeSymlink:
		return root.Symlink(head.Linkname, name)
	case tar.TypeReg:
		mode := head.FileInfo().Mode().Perm() | 0o444
		out, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, mode)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, content)
		return errors.Join(err, out.Chmod(mode), out.Close()) // Chmod: the umask does not count
	default:
		return fmt.Errorf("%s is neither file, folder nor link", name)
	}
}
