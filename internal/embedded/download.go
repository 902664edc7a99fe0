package embedded

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// The release that is downloaded: the newest that Maven Central holds for both
// common processors. When it changes, so do the checksums below.
const (
	downloadMajor   = 18
	downloadVersion = "18.3.0"
	mavenCentral    = "https://repo1.maven.org/maven2"
	downloadTimeout = 10 * time.Minute
)

// checksums are the SHA-256 of the release's archives, by platform.
var checksums = map[string]string{
	"linux-amd64":        "1974c3a59c3ae010e9818e81637e425aad94eaac26e4ef533b42e081fe7ca345",
	"linux-arm64v8":      "1fb555a6602c13a113ab1f0cc9224d599948e85e51ac5f001393605505eaf78e",
	"linux-amd64-alpine": "510fd314da39f1eeccef774a92428474168fedf55403342548e2adeaed66b483",
	"darwin-amd64":       "cb68c57232945f5e74db946e6077d70cec56bfed35959b21acc750cc80ca0977",
	"darwin-arm64v8":     "a18ec9ec6a905e04f5a08a8f7870bddadd635feb54dee332a3daf80fada3cb1a",
}

// platform returns what the archives for this machine are called.
func platform() string {
	name := runtime.GOOS + "-" + runtime.GOARCH
	if runtime.GOARCH == "arm64" {
		name += "v8"
	}
	if _, err := os.Stat("/etc/alpine-release"); err == nil { // musl instead of glibc
		name += "-alpine"
	}
	return name
}

// download returns the programs in the cache and brings them there if need be.
// Several processes may ask at once; one of them downloads.
func download(ctx context.Context, o PostgresOptions, as *account) (binaries, error) {
	sum, ok := checksums[platform()]
	if !ok {
		return binaries{}, fmt.Errorf("none is offered for %s", platform())
	}
	cache, err := cacheFolder(o, as)
	if err != nil {
		return binaries{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, downloadTimeout)
	defer cancel()
	lock, err := waitLock(ctx, filepath.Join(cache, "lock"))
	if err != nil {
		return binaries{}, err
	}
	defer func() { _ = lock.Release() }()

	home := filepath.Join(cache, "postgresql-"+downloadVersion+"-"+platform())
	if _, err := os.Stat(home); errors.Is(err, os.ErrNotExist) {
		if err := fetch(ctx, o, sum, home); err != nil {
			return binaries{}, err
		}
	}
	return probe(ctx, filepath.Join(home, "bin"), as)
}

// cacheFolder returns a folder for downloads that the account can read: the
// user's own, or the machine's when root's home is closed to others.
func cacheFolder(o PostgresOptions, as *account) (string, error) {
	dir := o.CacheDir
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil && as == nil {
			return "", fmt.Errorf("finding a folder for downloads: %w", err)
		}
		dir = filepath.Join(user, "waybill")
		if err != nil || as.blocked(user) != "" {
			dir = "/var/cache/waybill"
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("making the folder for downloads: %w", err)
	}
	if at := as.blocked(dir); at != "" {
		return "", fmt.Errorf("%s cannot enter %s", as.name, at)
	}
	return dir, nil
}

// fetch downloads the archive and unpacks it to home, which appears whole or
// not at all.
func fetch(ctx context.Context, o PostgresOptions, sum, home string) error {
	work, err := os.MkdirTemp(filepath.Dir(home), "unpacking-")
	if err != nil {
		return fmt.Errorf("making a folder to unpack into: %w", err)
	}
	defer os.RemoveAll(work)

	jar := filepath.Join(work, "postgresql.jar")
	name := "embedded-postgres-binaries-" + platform()
	url := fmt.Sprintf("%s/io/zonky/test/postgres/%s/%s/%[2]s-%[3]s.jar", o.Repository, name, downloadVersion)
	if err := get(ctx, url, jar, sum, o.Progress); err != nil {
		return err
	}
	o.Progress("unpacking PostgreSQL " + downloadVersion)
	tree := filepath.Join(work, "tree")
	if err := unpack(jar, tree); err != nil {
		return fmt.Errorf("unpacking PostgreSQL: %w", err)
	}
	if err := os.Rename(tree, home); err != nil {
		return fmt.Errorf("unpacking PostgreSQL: %w", err)
	}
	return nil
}

// get downloads a URL to a file and refuses it when its SHA-256 is another.
func get(ctx context.Context, url, file, sum string, progress func(string)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("downloading PostgreSQL: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections() // one download is all it serves
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return fmt.Errorf("downloading PostgreSQL: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("downloading PostgreSQL: the server answered %s", resp.Status)
	}
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("downloading PostgreSQL: %w", err)
	}
	hash := sha256.New()
	watch := &meter{total: resp.ContentLength, report: progress}
	_, err = io.Copy(io.MultiWriter(out, hash, watch), resp.Body)
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("downloading PostgreSQL: %w", err)
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != sum {
		return fmt.Errorf("downloading PostgreSQL: the archive's SHA-256 is %s instead of %s", got, sum)
	}
	return nil
}

// meter reports every tenth of a download, or its start when nobody said how
// long it is.
type meter struct {
	total, done int64
	reported    int64 // tenths so far, counted from 1
	report      func(string)
}

func (m *meter) Write(p []byte) (int, error) {
	m.done += int64(len(p))
	tenth := int64(1)
	if m.total > 0 {
		tenth += m.done * 10 / m.total
	}
	if tenth > m.reported {
		m.reported = tenth
		text := "downloading PostgreSQL " + downloadVersion
		if m.total > 0 {
			text += fmt.Sprintf(" (%d MB): %d %%", (m.total+500_000)/1_000_000, m.done*100/m.total)
		}
		m.report(text)
	}
	return len(p), nil
}
