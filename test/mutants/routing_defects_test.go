package mutants_test

// routing: an event goes to an organisation that is not its own, or waits for
// ever.
var routing = []defect{
	{
		name: "the signer's entitlement is not checked",
		harm: "whoever has an account changes any organisation's messages whose ids it knows",
		file: "internal/tenantmap/resolve.go",
		text: ".Entitled(d.Org, at) {", wrong: ".Entitled(d.Org, at) && e.Signer == \"\" {",
		tests: by("internal/tenantmap", "TestResolve", "TestProofEntitled"),
	},
	{
		name:  "of two organisations the first one named gets the event",
		harm:  "an event that belongs to nobody for certain changes somebody's message",
		file:  "internal/tenantmap/resolve.go",
		text:  "if c[i].Org != c[0].Org || c[i].Row != c[0].Row {\n\t\t\treturn quarantine(ReasonContradiction, c), true\n",
		wrong: "if c[i].Org != c[0].Org || c[i].Row != c[0].Row {\n\t\t\tbreak\n",
		tests: by("internal/tenantmap", "TestResolve"),
	},
	{
		name: "parking without the lock",
		harm: "a callback that arrives as its send is recorded waits for ever",
		file: "internal/postgres/routing.go",
		text: "if err := lockKeys(ctx, tx, keys); err != nil {", wrong: "if err := ctx.Err(); err != nil {",
		tests: by("internal/postgres", "TestWhoRecordsAKeyWaitsForWhoParksUnderIt"),
	},
	{
		name: "parking locks new keys alone",
		harm: "a callback waits for ever if another one waited for the same send before it",
		file: "internal/postgres/routing.go",
		text: "ORDER BY key FOR SHARE`", wrong: "ORDER BY key`",
		tests: by("internal/postgres", "TestWhoRecordsAKeyWaitsForWhoParksUnderIt"),
	},
	{
		name: "the decision under the lock is not heeded",
		harm: "an event whose send is recorded as it is parked is neither passed on nor held",
		file: "internal/router/route.go",
		text: "\t\tunsettled[i].Decision = d\n", wrong: "\t\t_, _ = unsettled[i].Decision, d\n",
		tests: by("internal/router", "TestAnEventWhoseSendIsRecordedAsItIsParkedGoesOn"),
	},
	{
		name: "a look-up without locks is enough to park",
		harm: "a callback whose send was recorded since the look-up waits for ever",
		file: "internal/router/route.go",
		text: "case it.Outcome != \"\", it.Enter:", wrong: "case it.Outcome == events.Quarantined, it.Enter:",
		tests: by("internal/router", "TestAnEventWhoseSendIsRecordedAsItIsParkedGoesOn"),
	},
	{
		name: "a send frees only what is parked",
		harm: "a callback that was given up stays dead although its send came at last",
		file: "internal/postgres/sends.go",
		text: "WHERE NOT ready AND event_id IN", wrong: "WHERE NOT ready AND state = 'parked' AND event_id IN",
		tests: by("internal/postgres", "TestALateSendFreesWhatWasGivenUp"),
	},
	{
		name: "a release is deleted before the broker has it",
		harm: "callbacks that were waiting are lost if the broker is away as they are released",
		file: "internal/router/release.go",
		text: "acknowledged(batch, published, spoilt)", wrong: "acknowledged(batch, nil, spoilt)",
		tests: by("internal/router", "TestWhatCannotBeReleasedStaysHeld"),
	},
	{
		name: "what was held again is deleted with its release",
		harm: "a callback that is parked once more while it is released is lost",
		file: "internal/postgres/release.go",
		text: "WHERE lease_token = $1 AND event_id", wrong: "WHERE $1::uuid IS NOT NULL AND event_id",
		tests: by("internal/postgres", "TestWhatIsHeldAgainOutlivesItsRelease"),
	},
	{
		name: "a raw record is done before its event is passed on",
		harm: "callbacks are lost if the broker is away between the two",
		file: "internal/router/route.go",
		text: "Publish(ctx, out...); err != nil {", wrong: "Publish(ctx, out...); err != nil && len(out) == 0 {",
		tests: by("internal/router", "TestWhatCannotBePassedOnIsRoutedAgain"),
	},
}
