// Package arch holds the shape of the house: which rooms (packages) there are,
// on which floor each stands, and what must never be imported where. Its one
// test reads the source tree and fails with a sentence for each broken rule.
//
//	6  cmd/*  status/examples/*
//	5  internal/app  status/kafka
//	4  ingest  router  worker  ...  provider/twilio  postgres  bus/kafkabus
//	3  provider  provider/sns  bus  migrations  status
//	2  messaging  voice  email  campaign  billing  tenantmap
//	1  events
//	0  fault  config  obs  seal  facts  join  errorcode  failpoint
//
// A room imports rooms on lower floors only. A folder that is not in the table
// fails the test, so a new room is placed on purpose. It reads source text and
// not the build, so build tags hide nothing; files of other modules, testdata
// and hidden folders are left out. Test files may import any room, with the
// exceptions that say so. Beside the arrows it holds two rules that belong to
// every room: only commands and internal/config touch the environment, and what
// the environment fills is described and, if secret, hidden. And one for the rooms
// that programs outside import: they export no type of an internal room. No
// product code imports this package.
package arch
