// Command waybill is what operators use: it sets Waybill up, enters
// organisations, accounts and senders, and answers what happened to a message.
//
// It reads the same environment as the services. It exits with 0 when done, 1
// when something failed, 2 after wrong usage, 3 when what was asked for is not
// on record.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"waybill/internal/config"
	"waybill/internal/nodump"
)

// cli is every verb. One file holds one verb.
type cli struct {
	JSON bool `help:"Print JSON instead of tables."`

	Demo        demoCmd        `cmd:"" help:"The first five minutes: everything in one process, and callbacks played to it."`
	Dev         devCmd         `cmd:"" help:"Everything in one process, kept in a folder."`
	Migrate     migrateCmd     `cmd:"" help:"Bring the database's schema up to date, or show its state."`
	Topics      topicsCmd      `cmd:"" help:"Create Kafka's topics, or check them."`
	Org         orgCmd         `cmd:"" help:"Organisations."`
	Account     accountCmd     `cmd:"" help:"Accounts that sign callbacks, and for whom."`
	Number      numberCmd      `cmd:"" help:"Senders: phone numbers, short codes, names, services, e-mail identities."`
	Send        sendCmd        `cmd:"" help:"Send records, as campaign senders publish them."`
	Trace       traceCmd       `cmd:"" help:"The whole story of any id."`
	Campaign    campaignCmd    `cmd:"" help:"Campaigns' numbers."`
	Held        heldCmd        `cmd:"" help:"Events without a home."`
	Doctor      doctorCmd      `cmd:"" help:"Check the set-up, or explain why a request was refused."`
	Audit       auditCmd       `cmd:"" help:"Check that every receipt is accounted for."`
	Export      exportCmd      `cmd:"" help:"Everything on record of an organisation or a person."`
	Erase       eraseCmd       `cmd:"" help:"Erase a person's data, or an organisation."`
	Simulate    simulateCmd    `cmd:"" help:"Play the providers in any weather, and compare what came of it."`
	Certificate certificateCmd `cmd:"" help:"Make a certificate by which simulate signs as Amazon SNS."`
	Health      healthCmd      `cmd:"" help:"Ask a process whether it is ready."`
	Version     versionCmd     `cmd:"" help:"Show this program's version."`
}

func main() { os.Exit(start()) }

func start() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := nodump.Set(); err != nil {
		fmt.Fprintln(os.Stderr, "waybill:", err)
		return exitFailed
	}
	return run(ctx, os.Args[1:], config.Environ(os.Environ()), os.Stdin, os.Stdout, os.Stderr)
}
