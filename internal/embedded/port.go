package embedded

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// keptPort is a port that is the same at every start as long as nobody else
// took it meanwhile. The file holds it between two starts.
type keptPort struct {
	file string
}

// choose returns the kept port if it is free, otherwise one that is free now.
func (k keptPort) choose() (int, error) {
	if port := k.read(); port != 0 && portFree(port) {
		return port, nil
	}
	ln, err := net.Listen("tcp", loopback(0))
	if err != nil {
		return 0, fmt.Errorf("finding a free port: %w", err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	if err := ln.Close(); err != nil {
		return 0, fmt.Errorf("finding a free port: %w", err)
	}
	return port, nil
}

// read returns the kept port, 0 if there is none.
func (k keptPort) read() int {
	text, err := os.ReadFile(k.file)
	if err != nil {
		return 0
	}
	port, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || port < 1 || port > 65535 {
		return 0
	}
	return port
}

func (k keptPort) keep(port int) error {
	if err := os.WriteFile(k.file, []byte(strconv.Itoa(port)+"\n"), 0o644); err != nil {
		return fmt.Errorf("keeping the port: %w", err)
	}
	return nil
}

func portFree(port int) bool {
	ln, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return false
	}
	return ln.Close() == nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
