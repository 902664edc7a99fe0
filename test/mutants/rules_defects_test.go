package mutants_test

// rules: a status depends on the order in which callbacks arrive, or two
// different things have one id.
var rules = []defect{
	{
		name: "the last status wins",
		harm: "a late \"sent\" turns a delivered message back",
		file: "internal/messaging/state.go",
		text: "if a.compare(b) < 0 {", wrong: "if b.Status != \"\" {",
		tests: by("internal/messaging", "TestRegressionDeliveredDoesNotGoBackToSent", "TestProofStateJoin"),
	},
	{
		name: "the last error code wins",
		harm: "the reason of a failure depends on which of two callbacks came last",
		file: "internal/messaging/state.go",
		text: "return compareCodes(a.ErrorCode, b.ErrorCode)", wrong: "return -1",
		tests: by("internal/messaging", "TestRegressionTwoUndeliveredCodesInEitherOrder"),
	},
	{
		name: "a status that came late was never reached",
		harm: "a campaign counts more delivered messages than sent ones",
		file: "internal/messaging/fold.go",
		text: "\tafter.Reached |= 1 << status.Bit\n", wrong: "\tif after.State != row.State {\n\t\tafter.Reached |= 1 << status.Bit\n\t}\n",
		tests: append(by("internal/messaging", "TestRegressionALateSentStillCountsAsReached"), by("internal/postgres", "TestApplyingABatchMergesCountsAndAnnounces")...),
	},
	{
		name: "a transition does not raise the version",
		harm: "subscribers drop a delivery as if they had it already",
		file: "internal/messaging/fold.go",
		text: "\t\tafter.Version++\n", wrong: "\t\tafter.Version = 1\n",
		tests: append(by("internal/messaging", "TestAnyOrderAndRepetitionEndsInTheSameRow"), by("internal/postgres", "TestApplyingABatchMergesCountsAndAnnounces")...),
	},
	{
		name: "a bounce after delivery is ignored",
		harm: "a campaign goes on writing to an address that does not exist",
		file: "internal/email/status.go",
		text: "\t{Name: \"delivered\", Severity: 3, Bit: 4, Terminal: true},\n\t{Name: \"bounced_permanent\", Severity: 5, Bit: 5, Terminal: true},\n",
		wrong: "\t{Name: \"bounced_permanent\", Severity: 5, Bit: 5, Terminal: true},\n" +
			"\t{Name: \"delivered\", Severity: 3, Bit: 4, Terminal: true},\n",
		tests: by("internal/email", "TestRegressionABounceAfterDeliveryIsNotIgnored"),
	},
	{
		name: "one recipient's bounce is hidden by another's delivery",
		harm: "an e-mail that one of its recipients never got is shown as delivered",
		file: "internal/email/state.go",
		text: "worst = worse(worst, Join(own, r.State))", wrong: "worst = Join(worst, r.State)",
		tests: by("internal/email", "TestTheStateIsAFunctionOfTheReports"),
	},
	{
		name: "a late connect does not lift an unanswered contact",
		harm: "a customer who spoke to an agent is called again as if nobody had answered",
		file: "internal/voice/state.go",
		text: "bits&bitOf(completed) != 0 && bits&bitOf(inProgress) == 0", wrong: "bits&bitOf(completed) != 0",
		tests: by("internal/voice", "TestRegressionConnectNoAnswerIsLiftedByALateConnect"),
	},
	{
		name: "of one second the last subscription event wins",
		harm: "a customer who has paid is shown as unpaid, or the reverse",
		file: "internal/billing/object.go",
		text: "newer.Status = derive(kinds[newer.Kind].life, newer.Latest)", wrong: "newer.Status = b.Status",
		tests: by("internal/billing", "TestRegressionUpdatedArrivesBeforeCreatedOfTheSameSecond", "TestRegressionThreeUpdatesOfOneSecondInEveryOrder"),
	},
	{
		name: "an update revives a canceled subscription",
		harm: "a customer who has left is shown as subscribed",
		file: "internal/billing/object.go",
		text: "\t\treturn 2\n", wrong: "\t\treturn 1\n",
		tests: by("internal/billing", "TestRegressionDeletedArrivesBeforeUpdated"),
	},
	{
		name: "every Stripe object ends as charges do",
		harm: "a late failed payment reopens an invoice that was paid",
		file: "internal/billing/kind.go",
		text: "slices.Contains(kinds[kind].ends, status)", wrong: `slices.Contains(kinds["charge"].ends, status)`,
		tests: by("internal/billing", "TestPaymentsInEveryOrder"),
	},
	{
		name: "event ids without the signer",
		harm: "whoever has any account spends the ids of another's callbacks before they come",
		file: "internal/events/ids.go",
		text: "string(p) + \"/\" + signer + \"/\" + string(kind)", wrong: "string(p) + \"/\" + string(kind)",
		tests: append(by("internal/events", "TestNewEventID"), by("internal/provider/twilio", "TestSuite")...),
	},
	{
		name: "an event id for each request",
		harm: "every repeat of a callback is a new event: counted and announced again",
		file: "internal/provider/twilio/message.go",
		text: "m.ProviderID, status, code)", wrong: "m.ProviderID, status, code, string(raw.Receipt))",
		tests: by("internal/provider/twilio", "TestParseStatus", "TestSuite"),
	},
	{
		name:  "an event id from a hash of the body",
		harm:  "a repeat whose parameters are in another order is a new event",
		file:  "internal/provider/twilio/message.go",
		text:  "events.NewEventID(events.Twilio, raw.Signer, raw.Kind, m.ProviderID)",
		wrong: "events.NewEventID(events.Twilio, raw.Signer, raw.Kind, events.DeriveID(string(raw.Body)))",
		tests: by("internal/provider/twilio", "TestParseInbound"),
	},
}
