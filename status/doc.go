// Package status follows what becomes of messages, calls and campaigns, for the
// programs that sent them. It gives Waybill's status topics as typed events, over
// any Watermill subscriber; package status/kafka has one.
//
//	sub, err := kafka.NewSubscriber(kafka.Config{Brokers: brokers, Group: "crm"})
//	...
//	defer sub.Close()
//	s := status.New(sub, status.Options{Org: org, Campaign: campaign})
//	err = s.Campaigns(ctx, func(ctx context.Context, c status.Campaign) error {
//		...
//	})
//
// # What is promised
//
// Every accepted transition of a message or call is one event, and every change
// of a campaign's numbers is followed by a snapshot, at most one a second. The
// version of a row goes up by one with each transition, that of a campaign goes
// up. The events of a row come in the order of their versions.
//
// Delivery is at least once. Repeats carry the same EventID and the same
// version, and after a crash may come behind newer events, as may an older
// snapshot. A [Subscriber] drops those of the rows that it remembers. A program
// that must end with the newest, whatever it has forgotten by restarting, keeps
// the version beside what it stores and leaves alone what is not above it:
//
//	UPDATE ... SET status = $3, version = $4 WHERE org_id = $1 AND id = $2 AND version < $4
//
// New fields and new statuses may come at any time; fields never go, change their
// meaning or become empty. So a status is a text here, and one that a program
// does not know is neither an error nor the end of a message, see [Terminal].
//
// Events hold ids and no personal data. docs/asyncapi.yaml describes the topics
// to programs in other languages.
package status
