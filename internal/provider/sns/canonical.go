package sns

// canonical returns the string that SNS signs: name and value of the fields
// that its type signs, in the order of their names, each on lines of its own,
// the last line feed included.
func (e *envelope) canonical() []byte {
	const names = 128 // more than the names and line feeds of any type
	b := make([]byte, 0, names+len(e.message.text)+len(e.messageID.text)+len(e.subject.text)+len(e.subscribeURL.text)+
		len(e.timestamp.text)+len(e.token.text)+len(e.topicARN.text)+len(e.kind.text))
	add := func(name string, f field) {
		b = append(b, name...)
		b = append(b, '\n')
		b = append(b, f.text...)
		b = append(b, '\n')
	}
	add("Message", e.message)
	add("MessageId", e.messageID)
	if Type(e.kind.text) == Notification {
		if e.subject.set {
			add("Subject", e.subject)
		}
		add("Timestamp", e.timestamp)
	} else {
		add("SubscribeURL", e.subscribeURL)
		add("Timestamp", e.timestamp)
		add("Token", e.token)
	}
	add("TopicArn", e.topicARN)
	add("Type", e.kind)
	return b
}
