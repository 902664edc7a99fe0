package ingest

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"waybill/internal/config"
	"waybill/internal/seal"
)

// Config is what ingest reads from the environment.
type Config struct {
	Listen    string        `env:"WAYBILL_LISTEN" envDefault:":8080" doc:"address for the providers' callbacks, host:port"`
	PublicURL []string      `env:"WAYBILL_PUBLIC_URL" doc:"base URLs that the providers were given, comma-separated; signatures are checked against these (required)"`
	SecretKey config.Secret `env:"WAYBILL_SECRET_KEY" doc:"key that opens the providers' secrets: 32 bytes in base64; several with commas while it is changed, the new one first (required)"`

	SNS SNSConfig

	MaxInflightBytes int64 `env:"WAYBILL_INGEST_MAX_INFLIGHT_BYTES" envDefault:"67108864" doc:"memory for requests being served, in bytes; beyond it they are answered 503; contact records of Amazon Connect take 16 MiB a request"`
	MaxConnections   int   `env:"WAYBILL_INGEST_MAX_CONNECTIONS" envDefault:"4096" doc:"connections served at once; more wait to be accepted"`

	HeaderTimeout   time.Duration `env:"WAYBILL_INGEST_HEADER_TIMEOUT" envDefault:"3s" doc:"time for a request's header block, at most 3s"`
	RequestTimeout  time.Duration `env:"WAYBILL_INGEST_REQUEST_TIMEOUT" envDefault:"8s" doc:"time for a request from its first byte to its answer, at most 8s"`
	IdleTimeout     time.Duration `env:"WAYBILL_INGEST_IDLE_TIMEOUT" envDefault:"60s" doc:"how long a connection may wait for its next request"`
	DrainDelay      time.Duration `env:"WAYBILL_INGEST_DRAIN_DELAY" envDefault:"1s" doc:"how long new requests are still answered, with 503, after the signal to stop"`
	ShutdownTimeout time.Duration `env:"WAYBILL_INGEST_SHUTDOWN_TIMEOUT" envDefault:"8s" doc:"time for requests in flight after the drain delay; not below the request timeout"`
}

// SNSConfig is what whoever verifies messages of SNS reads.
type SNSConfig struct {
	CertDir    string        `env:"WAYBILL_SNS_CERT_DIR" doc:"folder with certificates of SNS, for networks that cannot fetch them: PEM files named as in SigningCertURL, trusted whatever their dates; nothing is fetched then"`
	MaxAge     time.Duration `env:"WAYBILL_SNS_MAX_AGE" envDefault:"24h" doc:"how old a message of SNS may be when it comes; 0 = any age"`
	RefuseSHA1 bool          `env:"WAYBILL_SNS_REFUSE_SHA1" envDefault:"false" doc:"whether to refuse messages of SNS that are signed with SHA-1, which is what a topic does until its SignatureVersion is set to 2"`
}

// Validate reports what cannot work.
func (c *SNSConfig) Validate() error {
	var errs []error
	if c.CertDir != "" {
		if info, err := os.Stat(c.CertDir); err != nil || !info.IsDir() {
			errs = append(errs, errors.New("WAYBILL_SNS_CERT_DIR: must be a folder that can be read"))
		}
	}
	if c.MaxAge < 0 {
		errs = append(errs, errors.New("WAYBILL_SNS_MAX_AGE: must not be below 0"))
	}
	return errors.Join(errs...)
}

// Promises that the environment cannot loosen.
const (
	maxHeaderTimeout  = 3 * time.Second
	maxRequestTimeout = 8 * time.Second
	minInflightBytes  = 24 << 20 // a delivery of many records, and a few of the largest other requests
)

// Validate reports every problem at once, each with its variable. It never
// quotes a value.
func (c *Config) Validate() error {
	var errs []error
	bad := func(name, format string, args ...any) {
		errs = append(errs, fmt.Errorf(name+": "+format, args...))
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		bad("WAYBILL_LISTEN", "must be host:port, for example :8080")
	}
	if len(c.PublicURL) == 0 {
		bad("WAYBILL_PUBLIC_URL", "must be set to the base URL that the providers were given, for example https://hooks.example.com")
	}
	for i, u := range c.PublicURL {
		if err := checkBase(strings.TrimSpace(u)); err != nil {
			bad("WAYBILL_PUBLIC_URL", "entry %d %w", i+1, err)
		}
	}
	if c.SecretKey == "" {
		bad("WAYBILL_SECRET_KEY", "must be set; make one with `openssl rand -base64 32`")
	} else if _, err := seal.ParseKey(string(c.SecretKey)); err != nil {
		bad("WAYBILL_SECRET_KEY", "%w", err)
	}
	if c.MaxInflightBytes < minInflightBytes {
		bad("WAYBILL_INGEST_MAX_INFLIGHT_BYTES", "must be at least %d", minInflightBytes)
	}
	if c.MaxConnections < 1 {
		bad("WAYBILL_INGEST_MAX_CONNECTIONS", "must be at least 1")
	}
	if c.HeaderTimeout <= 0 || c.HeaderTimeout > maxHeaderTimeout {
		bad("WAYBILL_INGEST_HEADER_TIMEOUT", "must be above 0 and at most %s", maxHeaderTimeout)
	}
	if c.RequestTimeout <= 0 || c.RequestTimeout > maxRequestTimeout {
		bad("WAYBILL_INGEST_REQUEST_TIMEOUT", "must be above 0 and at most %s", maxRequestTimeout)
	}
	if c.IdleTimeout <= 0 {
		bad("WAYBILL_INGEST_IDLE_TIMEOUT", "must be above 0")
	}
	if c.DrainDelay < 0 {
		bad("WAYBILL_INGEST_DRAIN_DELAY", "must not be below 0")
	}
	if c.ShutdownTimeout < c.RequestTimeout {
		bad("WAYBILL_INGEST_SHUTDOWN_TIMEOUT", "must not be below WAYBILL_INGEST_REQUEST_TIMEOUT, or requests in flight are cut off")
	}
	return errors.Join(errs...)
}

// checkBase tells what is wrong with a base URL.
func checkBase(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return errors.New("is not a URL") // the cause quotes it
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		return errors.New("must be an absolute http or https URL")
	case u.User != nil:
		return errors.New("must not hold a user or password")
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#"):
		return errors.New("must not have a query or fragment")
	}
	return nil
}
