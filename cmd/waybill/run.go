package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"waybill/internal/config"
	"waybill/internal/fault"
	"waybill/internal/operate"
	"waybill/internal/tenants"
)

// Exit statuses. They are promises.
const (
	exitDone     = 0
	exitFailed   = 1
	exitUsage    = 2
	exitNotFound = 3
)

const about = "Waybill receives providers' callbacks and applies them to the right organisation's messages and campaigns."

// run is the command without the process: it returns the exit status.
func run(ctx context.Context, args []string, env config.Source, in io.Reader, out, errOut io.Writer) int {
	var verbs cli
	exited := -1
	parser, err := kong.New(&verbs,
		kong.Name("waybill"), kong.Description(about), kong.Writers(out, errOut),
		kong.Exit(func(code int) { exited = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err != nil { // a wrong tag in one of the verbs
		fmt.Fprintln(errOut, "waybill:", err)
		return exitFailed
	}
	bare := len(args) == 0
	if bare {
		args = []string{"--help"}
	}
	kctx, err := parser.Parse(args)
	switch {
	case bare:
		return exitUsage
	case exited >= 0: // help was shown
		return exited
	}
	if err != nil {
		fmt.Fprintf(errOut, "waybill: %v; see `%s --help`\n", err, command(err))
		return exitUsage
	}
	if name := blank(kctx.Path); name != "" {
		fmt.Fprintf(errOut, "waybill: %s is empty: give a value, or leave it out\n", name)
		return exitUsage
	}
	s := &session{ctx: ctx, env: env, in: in, out: out, errOut: errOut, json: verbs.JSON}
	return s.report(kctx.Run(s))
}

// blank returns the first argument that is there and says nothing, "" if all
// do. Many a flag narrows: the variable of a script that is not set must not turn
// one customer into a whole organisation, nor one organisation into all.
func blank(path []*kong.Path) string {
	for _, p := range path {
		var value *kong.Value
		var name string
		switch {
		case p.Flag != nil:
			value, name = p.Flag.Value, "--"+p.Flag.Name
		case p.Positional != nil:
			value, name = p.Positional, "<"+p.Positional.Name+">"
		default:
			continue
		}
		switch v := value.Target.Interface().(type) {
		case string:
			if v == "" {
				return name
			}
		case []string:
			if slices.Contains(v, "") {
				return name
			}
		}
	}
	return ""
}

// command returns how far the command line made sense.
func command(err error) string {
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil && parse.Context.Selected() != nil {
		return "waybill " + strings.TrimPrefix(parse.Context.Selected().FullPath(), "waybill ")
	}
	return "waybill"
}

// errShown ends a verb with status 1 after it has said itself what is wrong.
var errShown = errors.New("already said")

// report says in one sentence what is wrong and returns the exit status.
func (s *session) report(err error) int {
	if err == nil {
		return exitDone
	}
	if errors.Is(err, errShown) {
		return exitFailed
	}
	var missing *tenants.NotFoundError
	var usage *operate.UsageError
	switch {
	case errors.As(err, &missing):
		fmt.Fprintln(s.errOut, "waybill:", missing)
		return exitNotFound
	case errors.As(err, &usage):
		fmt.Fprintln(s.errOut, "waybill:", usage)
		return exitUsage
	case s.ctx.Err() != nil:
		fmt.Fprintln(s.errOut, "waybill: interrupted")
		return exitFailed
	}
	fmt.Fprintln(s.errOut, "waybill:", sentence(err))
	return exitFailed
}

// sentence returns an error without the class that the services need.
func sentence(err error) string {
	var f *fault.Error
	if !errors.As(err, &f) || f.Err == nil {
		return err.Error()
	}
	if f.Class == fault.Unavailable && f.Reason == "database_unavailable" {
		return "cannot reach the database, is it running and WAYBILL_DATABASE_URL right? " + strings.Join(strings.Fields(f.Err.Error()), " ")
	}
	return f.Err.Error()
}
