package main

// Run is the command without the process, for tests.
var Run = run //nolint:gochecknoglobals // opens the package to its tests
