package embedded

import (
	"strconv"

	"waybill/internal/events"
)

// topicConfigs returns a topic's settings. A compacted topic must say that it
// has no retention: this broker applies its default of seven days to it too.
func topicConfigs(spec events.TopicSpec) map[string]string {
	configs := map[string]string{"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
	if spec.Compacted {
		configs["cleanup.policy"] = "compact"
	} else {
		if spec.Retention > 0 {
			configs["retention.ms"] = strconv.FormatInt(spec.Retention.Milliseconds(), 10)
		}
		if spec.RetentionBytes > 0 {
			configs["retention.bytes"] = strconv.FormatInt(spec.RetentionBytes, 10)
		}
	}
	if spec.SegmentAge > 0 {
		configs["segment.ms"] = strconv.FormatInt(spec.SegmentAge.Milliseconds(), 10)
	}
	if spec.SegmentBytes > 0 {
		configs["segment.bytes"] = strconv.FormatInt(spec.SegmentBytes, 10)
	}
	if spec.MaxMessage > 0 {
		configs["max.message.bytes"] = strconv.Itoa(spec.MaxMessage)
	}
	return configs
}
