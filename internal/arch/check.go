package arch

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Check returns one sentence for each rule that a package breaks, sorted by
// package; none means that the house stands.
func Check(pkgs []*Package) []string {
	known := map[string]bool{}
	for _, p := range pkgs {
		known[p.Room] = true
	}
	var broken []string
	for _, p := range pkgs {
		broken = append(broken, p.check(known)...)
	}
	return broken
}

func (p *Package) check(known map[string]bool) []string {
	var broken []string
	report := func(format string, args ...any) {
		broken = append(broken, p.Room+": "+fmt.Sprintf(format, args...))
	}
	if !p.commented() {
		report("has no package comment that begins with its name: say what it is for, what it promises, what it never does")
	}
	floor, placed := floorOf(p.Room)
	if !placed && !isSuite(p.Room) {
		report("is a room without a floor: put it into the table in internal/arch/rooms.go")
		return broken
	}
	for _, target := range slices.Sorted(maps.Keys(p.Imports)) {
		files := strings.Join(p.Imports[target], ", ")
		if placed && known[target] {
			if why := climbs(floor, target); why != "" {
				report("%s imports %s: %s", files, target, why)
			}
		}
		for _, b := range bans {
			if b.forbids(p.Room, target, !placed) {
				report("%s imports %s: %s", files, target, b.why)
			}
		}
	}
	for _, target := range slices.Sorted(maps.Keys(p.TestImports)) {
		for _, b := range bans {
			if b.forbids(p.Room, target, true) {
				report("%s imports %s: %s", strings.Join(p.TestImports[target], ", "), target, b.why)
			}
		}
	}
	if placed && !oneOf(environmentReaders, p.Room) {
		for _, use := range p.Environment {
			report("%s: only cmd/* and internal/config touch the environment", use)
		}
	}
	for _, leak := range p.Leaks {
		report("exports %s: programs outside cannot name it", leak)
	}
	for _, problem := range p.Settings {
		report("%s", problem)
	}
	return broken
}

// climbs says why a room on a floor must not import another room, "" if it may.
func climbs(floor int, target string) string {
	if isSuite(target) {
		return "it is for tests only"
	}
	to, ok := floorOf(target)
	switch {
	case !ok:
		return "" // reported where the unknown room is read
	case to > floor:
		return fmt.Sprintf("floor %d does not know floor %d", floor, to)
	case to == floor:
		return fmt.Sprintf("rooms on floor %d do not know each other", floor)
	}
	return ""
}

// forbids tells whether the ban holds for an import by a room; testing says
// that a test file or a suite imports.
func (b *ban) forbids(room, target string, testing bool) bool {
	switch {
	case testing && !b.tests, !oneOf(b.imports, target), oneOf(b.except, room):
		return false
	}
	return len(b.from) == 0 || oneOf(b.from, room)
}
