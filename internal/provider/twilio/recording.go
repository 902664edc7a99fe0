package twilio

import (
	"net/url"

	"waybill/internal/events"
	"waybill/internal/provider"
)

// recordingStatuses are Twilio's statuses of a recording, with our names.
var recordingStatuses = map[string]string{
	"in-progress": "in_progress",
	"completed":   "completed",
	"absent":      "absent",
	"failed":      "failed",
}

// maxChannels bounds a recording's channels; Twilio has one or two.
const maxChannels = 64

// parseRecording reads a recording's status. It names its call and nobody's
// number.
func parseRecording(raw *events.Raw, in *reader) (provider.Parsed, error) {
	said, sid := in.get(paramRecordingStatus), in.get(paramRecording)
	named := in.problem == "" && isToken(said, maxStatus) && isSID(sid, "RE")
	echo := echoed(raw, in)
	c := in.call(raw)
	in.check(isSID(sid, "RE"), invalidSID)
	status := recordingStatuses[said]
	in.check(status != "", invalidStatus)
	c.Recording = in.recording(sid, status)
	c.Recording.ErrorCode = in.code(paramErrorCode)

	p := provider.Parsed{Evidence: callEvidence(raw, &c, echo)}
	if at := c.Recording.StartedAt; at != nil && at.Before(p.Evidence.At) {
		p.Evidence.At = *at
	}
	if named && c.ProviderID != "" {
		p.EventID = events.NewEventID(events.Twilio, raw.Signer, raw.Kind, sid, said)
	}
	return called(p, &c, in)
}

// recording reads what describes a recording. What cannot be read is left out.
func (r *reader) recording(sid, status string) *events.Recording {
	rec := &events.Recording{
		ProviderID: sid, Status: status, Location: locationOf(r.get(paramRecordingURL)), StartedAt: r.time(paramRecordingStart),
	}
	rec.Duration, _ = r.number(paramRecordingLength)
	if n, ok := r.number(paramChannels); ok && n <= maxChannels {
		rec.Channels = int(n)
	}
	if v := r.get(paramRecordingSource); isToken(v, maxSource) {
		rec.Source = v
	}
	if v := r.get(paramTrack); isToken(v, maxSource) {
		rec.Track = v
	}
	return rec
}

// recorded reads the recording that a completed call's status may name, nil if
// it names none.
func (r *reader) recorded() *events.Recording {
	sid := r.get(paramRecording)
	if !isSID(sid, "RE") {
		return nil
	}
	return r.recording(sid, "completed")
}

// locationOf returns where a recording lies, without credentials; "" if it is
// no URL.
func locationOf(s string) string {
	if s == "" || len(s) > maxURL {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return ""
	}
	if u.User != nil {
		u.User = nil
		s = u.String()
	}
	return s
}
