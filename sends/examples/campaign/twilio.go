package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// twilio is an account of Twilio's REST API, as far as sending goes.
type twilio struct {
	url, account, token string

	client http.Client
}

// answerWithin is how long Twilio may take to answer.
const answerWithin = 15 * time.Second

// send asks Twilio to send a message. It returns the message's SID, or why Twilio
// refused it in Twilio's code; an error means that nobody knows.
func (t *twilio) send(ctx context.Context, from, to, text, callback string) (sid, code string, err error) {
	form := url.Values{"From": {from}, "To": {to}, "Body": {text}, "StatusCallback": {callback}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url+"/2010-04-01/Accounts/"+t.account+"/Messages.json", strings.NewReader(form.Encode()))
	if err != nil {
		return "", "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(t.account, t.token)
	resp, err := t.client.Do(req)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	var answer struct {
		SID  string `json:"sid"`
		Code int    `json:"code"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return "", "", fmt.Errorf("status %d without an answer that could be read", resp.StatusCode)
	}
	switch {
	case resp.StatusCode == http.StatusCreated && answer.SID != "":
		return answer.SID, "", nil
	case resp.StatusCode >= 400 && resp.StatusCode < 500 && answer.Code != 0:
		return "", strconv.Itoa(answer.Code), nil
	}
	return "", "", errors.New("status " + strconv.Itoa(resp.StatusCode))
}
