package main

// Run is the command without the process, for tests.
var Run = run
