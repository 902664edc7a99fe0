// Package nodump keeps what a process holds in memory, secrets above all, out of
// files and away from other processes of its user.
//
// It promises nothing against root, nor against who runs code inside the process.
package nodump
