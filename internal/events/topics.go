package events

import (
	"cmp"
	"strconv"
	"time"
)

// The topics. Their names are promises to programs outside this repository.
const (
	TopicRawTwilio       = "waybill.raw.twilio.v1"
	TopicRawSES          = "waybill.raw.ses.v1"
	TopicRawConnect      = "waybill.raw.connect.v1"
	TopicRawStripe       = "waybill.raw.stripe.v1"
	TopicSends           = "waybill.sends.v1"
	TopicConfig          = "waybill.config.v1"
	TopicMessages        = "waybill.messages.v1"
	TopicCalls           = "waybill.calls.v1"
	TopicBilling         = "waybill.billing.v1"
	TopicStatusMessages  = "waybill.status.messages.v1"
	TopicStatusCalls     = "waybill.status.calls.v1"
	TopicStatusCampaigns = "waybill.status.campaigns.v1"
	TopicControl         = "waybill.control.v1"
	TopicRejected        = "waybill.rejected.v1"
)

// RawTopic returns the topic that a provider's accepted requests go to.
func RawTopic(p Provider) string {
	switch p {
	case Twilio:
		return TopicRawTwilio
	case SES:
		return TopicRawSES
	case Connect:
		return TopicRawConnect
	case Stripe:
		return TopicRawStripe
	case Sender:
		return TopicSends
	}
	return ""
}

// TopicSpec is how a topic is made. Partition counts are fixed at birth: a key
// must stay on its partition for as long as the topic lives.
type TopicSpec struct {
	Name           string
	Partitions     int
	Compacted      bool          // keep the newest record of each key instead of a time
	Retention      time.Duration // how long records are kept; unused when compacted
	SegmentAge     time.Duration // a file of the log is closed after so long: only a closed one can go; 0 = the broker's default
	RetentionBytes int64         // per partition; 0 = unlimited
	SegmentBytes   int64         // 0 = the broker's default
	MaxMessage     int           // bytes
}

// Lifetime returns how long a record can be there at most: the file that it
// lies in is closed first, and goes when the youngest record in it is too old.
func (s *TopicSpec) Lifetime() time.Duration { return s.Retention + s.SegmentAge }

// Lifetimes say how long topics keep their records. What is zero is as in
// [DefaultLifetimes].
type Lifetimes struct {
	Raw      time.Duration // requests as received, and send records
	Domain   time.Duration // resolved events and billing events
	Status   time.Duration // status events; campaigns' snapshots are compacted
	Control  time.Duration // confirmations and other control work
	Rejected time.Duration // samples of refused requests
}

// DefaultLifetimes are as short as repairing in peace allows: what has expired
// needs no erasing.
var DefaultLifetimes = Lifetimes{Raw: 7 * day, Domain: 7 * day, Status: 7 * day, Control: 7 * day, Rejected: day}

// Profile sizes a set of topics.
type Profile struct {
	Partitions     int
	RetentionBytes int64 // per partition; 0 = unlimited
	SegmentBytes   int64
	Keep           Lifetimes
}

// The two profiles: a real cluster, and the embedded broker, which reads its
// log into memory after an unclean stop and so must stay small.
var (
	Production = Profile{Partitions: 24}
	Embedded   = Profile{Partitions: 3, RetentionBytes: 64 << 20, SegmentBytes: 16 << 20}
)

const day = 24 * time.Hour

// MaxRecordBytes is the largest record that any topic takes: a body of
// 1,000,000 bytes, and its copy beside a parsed form, with room to spare.
const MaxRecordBytes = 4 << 20

// Topics returns every topic of Waybill, sized for a profile.
func Topics(p Profile) []TopicSpec {
	timed := func(name string, keep, otherwise time.Duration) TopicSpec {
		keep = cmp.Or(keep, otherwise)
		return TopicSpec{
			Name: name, Partitions: p.Partitions, Retention: keep, SegmentAge: min(day, keep/4),
			RetentionBytes: p.RetentionBytes, SegmentBytes: p.SegmentBytes, MaxMessage: MaxRecordBytes,
		}
	}
	compacted := func(name string, partitions int) TopicSpec {
		return TopicSpec{
			Name: name, Partitions: partitions, Compacted: true,
			SegmentBytes: p.SegmentBytes, MaxMessage: MaxRecordBytes,
		}
	}
	d := DefaultLifetimes
	return []TopicSpec{
		timed(TopicRawTwilio, p.Keep.Raw, d.Raw),
		timed(TopicRawSES, p.Keep.Raw, d.Raw),
		timed(TopicRawConnect, p.Keep.Raw, d.Raw),
		timed(TopicRawStripe, p.Keep.Raw, d.Raw),
		timed(TopicSends, p.Keep.Raw, d.Raw),
		// One partition: ingest must know that it has read to the end of everything.
		compacted(TopicConfig, 1),
		timed(TopicMessages, p.Keep.Domain, d.Domain),
		timed(TopicCalls, p.Keep.Domain, d.Domain),
		timed(TopicBilling, p.Keep.Domain, d.Domain),
		timed(TopicStatusMessages, p.Keep.Status, d.Status),
		timed(TopicStatusCalls, p.Keep.Status, d.Status),
		compacted(TopicStatusCampaigns, p.Partitions),
		timed(TopicControl, p.Keep.Control, d.Control),
		timed(TopicRejected, p.Keep.Rejected, d.Rejected),
	}
}

// TopicNames returns the name of every topic of Waybill.
func TopicNames() []string {
	specs := Topics(Production)
	names := make([]string, len(specs))
	for i := range specs {
		names[i] = specs[i].Name
	}
	return names
}

// Lanes is how many partitions of a domain topic one organisation may occupy:
// few enough that its flood leaves the others alone, enough to use more than one worker.
const Lanes = 4

// Lane returns the lane of a row, 0 to 3: it selects the row's partition within
// its organisation, and the shard of its campaign's counters, so that no two
// workers meet on a counter row.
func Lane(id RowID) int {
	var h uint32 = 2166136261 // FNV-1a
	for i := range len(id) {
		h = (h ^ uint32(id[i])) * 16777619
	}
	return int(h % Lanes)
}

// DomainKey returns the Kafka key of a row's events on a domain topic.
func DomainKey(org OrgID, id RowID) []byte {
	return []byte(string(org) + "/" + strconv.Itoa(Lane(id)))
}

// StatusKey returns the Kafka key of a row's or campaign's status events.
func StatusKey(org OrgID, id string) []byte {
	return []byte(string(org) + "/" + id)
}
