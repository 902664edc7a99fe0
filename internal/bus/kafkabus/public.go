package kafkabus

import (
	"errors"
	"log/slog"
	"strings"
)

// NewPublic returns a client for the public packages. Their callers set fields
// and know no environment, so the error calls these by their names; it holds
// every problem, with what else the caller has found wrong. A nil log is nobody.
func NewPublic(cfg Config, log *slog.Logger, found error) (*Client, error) {
	if err := errors.Join(cfg.Validate(), found); err != nil {
		return nil, byField(err)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return New(cfg, log, nil)
}

// byField calls what an error names as both Config and the public packages do.
func byField(err error) error {
	return errors.New(strings.NewReplacer(
		"WAYBILL_KAFKA_BROKERS", "Brokers", "WAYBILL_KAFKA_SASL_MECHANISM", "SASLMechanism",
		"WAYBILL_KAFKA_USERNAME", "Username", "WAYBILL_KAFKA_PASSWORD", "Password",
	).Replace(err.Error()))
}
