package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

type versionCmd struct{}

// Help gives examples.
func (versionCmd) Help() string {
	return `Example:

  waybill version --json`
}

// Run shows what this program was built from.
func (versionCmd) Run(s *session) error {
	v := struct {
		Version  string `json:"version"`
		Revision string `json:"revision"`
		Modified bool   `json:"modified"`
		Go       string `json:"go"`
	}{Version: "(devel)", Go: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			v.Version = info.Main.Version
		}
		for _, setting := range info.Settings {
			switch setting.Key {
			case "vcs.revision":
				v.Revision = setting.Value
			case "vcs.modified":
				v.Modified = setting.Value == "true"
			}
		}
	}
	return s.print(v, func(w io.Writer) { fmt.Fprintf(w, "waybill %s %s %s\n", v.Version, v.Revision, v.Go) })
}
