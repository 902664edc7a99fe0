package kafkabus

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"waybill/internal/config"
)

const clientID = "waybill"

// Config says how to reach the Kafka cluster.
type Config struct {
	Brokers       []string      `env:"WAYBILL_KAFKA_BROKERS" envDefault:"127.0.0.1:9092" doc:"addresses of Kafka brokers to start from, host:port, separated by commas"`
	TLS           bool          `env:"WAYBILL_KAFKA_TLS" envDefault:"false" doc:"whether to speak TLS with the brokers"`
	SASLMechanism string        `env:"WAYBILL_KAFKA_SASL_MECHANISM" doc:"how to log in: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512; empty for no login"`
	Username      string        `env:"WAYBILL_KAFKA_USERNAME" doc:"user name for the login"`
	Password      config.Secret `env:"WAYBILL_KAFKA_PASSWORD" doc:"password for the login"`

	// Topics are those that the process reads and writes: the client asks the
	// brokers about these alone. Empty means all, which costs memory on a
	// cluster that has many. A topic left out of a list cannot be used.
	Topics []string
	// Instance tells this process from all others that run at this moment, and is
	// the same again when it is started anew; empty if there is no such name. A
	// consumer that starts with it takes the place of one that died.
	Instance string
}

// Validate reports every problem at once.
func (c Config) Validate() error {
	var errs []error
	if len(c.Brokers) == 0 {
		errs = append(errs, errors.New("WAYBILL_KAFKA_BROKERS is empty: name at least one broker, host:port"))
	}
	for i, b := range c.Brokers {
		if _, port, err := net.SplitHostPort(b); err != nil || port == "" {
			errs = append(errs, fmt.Errorf("WAYBILL_KAFKA_BROKERS: entry %d is not host:port", i+1))
		}
	}
	switch c.SASLMechanism {
	case "":
		if c.Username != "" || c.Password != "" {
			errs = append(errs, errors.New("WAYBILL_KAFKA_USERNAME or WAYBILL_KAFKA_PASSWORD is set but WAYBILL_KAFKA_SASL_MECHANISM is not"))
		}
	case "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512":
		if c.Username == "" {
			errs = append(errs, errors.New("WAYBILL_KAFKA_USERNAME is empty"))
		}
		if c.Password == "" {
			errs = append(errs, errors.New("WAYBILL_KAFKA_PASSWORD is empty"))
		}
	default:
		errs = append(errs, errors.New("WAYBILL_KAFKA_SASL_MECHANISM: none of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"))
	}
	return errors.Join(errs...)
}

// tls leaves the server name empty: kafka-go infers it for each broker.
func (c Config) tls() *tls.Config {
	if !c.TLS {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12}
}

func (c Config) mechanism() (sasl.Mechanism, error) {
	password := string(c.Password)
	switch c.SASLMechanism {
	case "PLAIN":
		return plain.Mechanism{Username: c.Username, Password: password}, nil
	case "SCRAM-SHA-256":
		return scram.Mechanism(scram.SHA256, c.Username, password)
	case "SCRAM-SHA-512":
		return scram.Mechanism(scram.SHA512, c.Username, password)
	}
	return nil, nil
}
