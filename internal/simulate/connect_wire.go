package simulate

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"
)

// The paths that an Amazon Connect instance is given.
const (
	pathConnect = "/api/webhooks/connect"
	pathRecords = "/api/webhooks/connect/records"
)

// ByTopic returns the delivery of an event by the topic, under an id of SNS's.
func (c Connect) ByTopic(id string, event []byte, at time.Time) Request {
	return c.Deliver(pathConnect, id, string(event), at)
}

// ByAPI returns the delivery of an event by the API destination.
func (c Connect) ByAPI(event []byte) Request {
	return Request{
		Method: http.MethodPost, Path: pathConnect, Body: event,
		Header: http.Header{
			"Content-Type": {"application/json; charset=utf-8"}, "User-Agent": {"Amazon/EventBridge/ApiDestinations"}, apiKey: {c.APIKey},
		},
	}
}

// The headers that keys of an instance are sent in.
const (
	apiKey      = "X-Waybill-Api-Key"
	firehoseKey = "X-Amz-Firehose-Access-Key"
)

// Records returns Firehose's delivery of records, each of which may hold any
// number of documents, from
// https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html.
func (c Connect) Records(requestID string, records [][]byte, packed bool, at time.Time) Request {
	type record struct {
		Data string `json:"data"`
	}
	list := make([]record, len(records))
	for i, data := range records {
		list[i].Data = base64.StdEncoding.EncodeToString(data)
	}
	body, err := json.Marshal(object{"requestId": requestID, "timestamp": at.UnixMilli(), "records": list})
	if err != nil {
		body = nil // cannot be: they are texts
	}
	r := Request{
		Method: http.MethodPost, Path: pathRecords, Body: body,
		Header: http.Header{
			"Content-Type": {"application/json"}, "User-Agent": {"Amazon Kinesis Data Firehose Agent/1.0"}, firehoseKey: {c.FirehoseKey},
			"X-Amz-Firehose-Protocol-Version": {"1.0"}, "X-Amz-Firehose-Request-Id": {requestID},
			"X-Amz-Firehose-Source-Arn": {"arn:aws:firehose:eu-west-1:123456789012:deliverystream/simulated"},
		},
	}
	if packed {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(body) // never fails in memory
		_ = z.Close()
		r.Body = b.Bytes()
		r.Header.Set("Content-Encoding", "gzip")
	}
	return r
}
