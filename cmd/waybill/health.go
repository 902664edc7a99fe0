package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"waybill/internal/operate"
)

type healthCmd struct {
	URL string `arg:"" help:"Address of a check, /readyz or /healthz on a process's admin listener."`
}

// healthTimeout is short: a container's health check has a time limit of its own.
const healthTimeout = 3 * time.Second

// maxHealth bounds how much of an answer is shown.
const maxHealth = 4096

// Help gives examples.
func (healthCmd) Help() string {
	return `For the health checks of containers, whose image has no shell. Exits with 1 when the process
does not answer 200, and says what it lacks.

Example:

  waybill health http://127.0.0.1:8081/readyz`
}

// Run asks a process whether it is well.
func (c healthCmd) Run(s *session) error {
	ctx, cancel := context.WithTimeout(s.ctx, healthTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, http.NoBody)
	if err != nil || req.URL.Host == "" {
		return &operate.UsageError{What: "want a URL, for example http://127.0.0.1:8081/readyz"}
	}
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxHealth))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	said := strings.ReplaceAll(strings.TrimSpace(string(body)), "\n", "; ")
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %d: %s", resp.StatusCode, said)
	}
	answer := struct {
		Status int    `json:"status"`
		Said   string `json:"said"`
	}{resp.StatusCode, said}
	return s.print(answer, func(w io.Writer) { fmt.Fprintln(w, said) })
}
