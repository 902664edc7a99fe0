package postgres

// Whose a held event is, no column says: nothing has decided it. There are two
// answers, both from what is on record now. A send record's signer is its
// organisation.
const (
	// signsFor is [tenants.SignsFor] of an account a.
	signsFor = `CASE a.provider WHEN 'sns' THEN a.purpose ELSE a.provider END`

	// signedForOrg is what an operator means by an organisation's held events:
	// those of its own program, and of accounts that sign for it, maybe for others
	// as well.
	signedForOrg = `(h.signer = %[1]s::text OR (h.provider, h.signer) IN (
		SELECT ` + signsFor + `, a.name FROM account_orgs o JOIN accounts a ON a.id = o.account_id WHERE o.org_id = %[1]s::uuid))`

	// heldOfOrg is what is exported and erased with an organisation: those of its
	// own program, or of an account that signs for nobody else, or that name a
	// sender that was nobody else's, or an id of it.
	heldOfOrg = `
	(h.signer = $1::text
	OR EXISTS (SELECT FROM accounts a JOIN account_orgs o ON o.account_id = a.id WHERE ` + signsFor + ` = h.provider AND a.name = h.signer AND NOT a.platform
		AND o.org_id = $1::uuid AND NOT EXISTS (SELECT FROM account_orgs x WHERE x.account_id = a.id AND x.org_id <> $1::uuid))
	OR EXISTS (SELECT FROM held_keys k JOIN senders s ON k.key = 'sender=' || s.value WHERE k.event_id = h.event_id AND s.org_id = $1::uuid
		AND NOT EXISTS (SELECT FROM senders x WHERE x.value = s.value AND x.org_id <> $1::uuid))
	OR EXISTS (SELECT FROM held_keys k JOIN tenant_map m ON m.key = k.key WHERE k.event_id = h.event_id AND m.org_id = $1::uuid)
	OR EXISTS (SELECT FROM tenant_map m WHERE m.key = h.named_key AND m.org_id = $1::uuid))`
)
