// Package sends tells Waybill what a program sends, so that what the providers
// call back finds its message, organisation and campaign. It writes Waybill's
// sends topic through any Kafka client; package sends/kafka has one. Package
// status tells what became of the messages.
//
//	pub, err := kafka.NewPublisher(kafka.Config{Brokers: brokers})
//	...
//	defer pub.Close()
//	r := sends.New(pub)
//	s := sends.Send{Org: org, Channel: sends.SMS, Provider: sends.Twilio, MessageID: id, To: to, CampaignID: campaign}
//	err = r.Record(ctx, s)                               // intended
//	sid, err := callTheProvider(...)                     // with sends.StatusCallback(publicURL, id)
//	err = r.Record(ctx, s.Accepted(sid, time.Now()))     // or s.Failed(code, time.Now())
//
// # What is promised
//
// A record is one statement about one message: intended, accepted by the
// provider under its id, or failed before there was an id. Statements may come in
// any order, after the provider's callbacks, and more than once: the same one
// again is the same event and changes nothing. After an error or a crash a
// program records the same sends again.
//
// One message has one id of its sender's and one of the provider's. A record
// that pairs either with a second one, or names an id of another organisation, is
// quarantined and changes nothing; docs/sends.md has every case. So another
// attempt is a message of its own, with an id of its own.
//
// What a program records before it calls the provider cannot be lost with it,
// and a callback that echoes the message's id ([StatusCallback], [SESTag]) finds
// its message even if the program dies before it can record the provider's.
package sends
