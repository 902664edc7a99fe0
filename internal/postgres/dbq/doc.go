// Package dbq is the fixed statements of ../queries as Go, written by sqlc:
// change those and run `make generate`. It promises nothing beyond them, and is
// never used outside package postgres.
package dbq
