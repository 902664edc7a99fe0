// Package embedded runs what Waybill needs on one machine without asking its
// user to install anything: a private PostgreSQL and an in-process broker that
// speaks the Kafka protocol. `waybill dev`, the demo and the tests use it; a
// production never does.
//
// It promises that both are reached the way the real ones are (TCP, the same
// drivers), listen on 127.0.0.1 only, keep their data in one folder across
// restarts and crashes of the process, and are gone after Stop. It takes no
// lock by itself: the caller holds [Lock] on the folder while anything runs in
// it, because neither PostgreSQL's take-over nor the broker is safe for two.
//
// PostgreSQL's binaries are the newest local ones, 15 or later. Without any,
// the builds that github.com/fergusstrange/embedded-postgres uses are fetched
// from Maven Central once. That library itself is not used: it offers no
// download apart from a server start, which fails as root, cannot be cancelled
// or watched, and accepts whatever checksum the same host serves. Here the
// checksums are part of the source.
//
// PostgreSQL refuses to run as root. Started by root, its programs run as the
// user postgres, or else nobody, and the folder must be reachable for them.
//
// The broker is durable against a crash of the process, not against a loss of
// power: it ignores errors of fsync and never syncs folders.
package embedded
