package app

import (
	"encoding/json"
	"fmt"
	"net"
	"os"

	"waybill/internal/config"
)

// Ready tells programs outside where everything is. Its JSON names are promises.
type Ready struct {
	HTTPURL      string        `json:"http_url"`
	AdminURL     string        `json:"admin_url"`
	KafkaBrokers string        `json:"kafka_brokers"`
	DatabaseURL  string        `json:"database_url"` // the operator's
	SecretKey    config.Secret `json:"-"`
	PublicURL    string        `json:"-"`
	SNSCertDir   string        `json:"-"` // folder with the certificates that are pinned
	Seed         Seed          `json:"-"` // empty unless asked for
}

// writeReady writes the file in one step, so that nobody reads half of it.
func writeReady(path string, r Ready) error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encoding the ready file: %w", err)
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the ready file: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("writing the ready file: %w", err)
	}
	return nil
}

// fixedPort replaces port 0 by a free one: signatures are checked against the
// public URL, so the port must be known before the listener is opened.
func (d *dev) fixedPort(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port != "0" {
		return addr, nil // the config says what is wrong with it
	}
	l, err := d.listen("WAYBILL_LISTEN", addr)
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err = net.SplitHostPort(l.Addr().String())
	return net.JoinHostPort(host, port), err
}

// reachable turns a listener's address into one that a client can use.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
