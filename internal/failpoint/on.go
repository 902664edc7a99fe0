//go:build failpoint

package failpoint

import (
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// variable arms one point. The environment is read here and not by
// internal/config because every room passes points, none of which knows a
// configuration, and because no product has this file.
const variable = "WAYBILL_FAILPOINT"

// trap is the point that is armed.
type trap struct {
	point  Point
	action func()
	at     int64
	passed atomic.Int64
}

var armed = arm(os.Getenv(variable))

// arm reads "point=action@n". A test that arms nothing by mistake must notice.
func arm(setting string) *trap {
	if setting == "" {
		return nil
	}
	point, rest, _ := strings.Cut(setting, "=")
	action, count, counted := strings.Cut(rest, "@")
	t := &trap{point: Point(point), at: 1, action: map[string]func(){"kill": kill, "stop": stop}[action]}
	var err error
	if counted {
		t.at, err = strconv.ParseInt(count, 10, 64)
	}
	if err != nil || t.action == nil || t.at < 1 {
		panic(variable + ": want point=kill or point=stop, with @n if not the first time")
	}
	return t
}

// Reach is where a process dies or stops if this point is armed. It is safe
// for concurrent use.
func Reach(p Point) {
	if armed != nil && armed.point == p && armed.passed.Add(1) == armed.at {
		armed.action()
	}
}

func kill() {
	_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
	select {} // not one step further
}

func stop() {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGCONT)
	defer signal.Stop(told)
	_ = syscall.Kill(syscall.Getpid(), syscall.SIGSTOP)
	<-told // the signal may reach another thread a moment earlier than this one
}
