# Everything a developer runs, one line of help each: `make` or `make help`.
# `make test` needs Go only; `make check` a C compiler besides (race detector).
# Nothing here is computed while make starts, so that `make module PATH=...`,
# which hides the real PATH from make, still works.

TOOL     = go tool -modfile=tools/go.mod
PACKAGES = ./...
# Every package that needs PostgreSQL or a broker starts its own; two at a time suit two cores.
GOTEST   = go test -p $(P) -timeout $(TIMEOUT)
P        = 2
TIMEOUT  = 9m
CHECKS   = 100000
CHECKS_SERVER = 2000
FUZZTIME = 60s
RATE     = 150

.DEFAULT_GOAL := help
.PHONY: help test check fmt fmt-check vet lint race sqlc-check vectors bad-inputs proofs fuzz test-crash test-mutants test-kafka test-load test-orgs test-flood test-early bench-orgs bench-campaign bench-held bench-tenantmap bench-providers kafka-up \
	kafka-down generate asyncapi build module vuln

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

test: ## run the tests; needs nothing but Go
	$(GOTEST) $(PACKAGES)

check: fmt-check vet lint sqlc-check race ## what must hold before a merge: format, vet, lint, generated code, tests with -race

fmt: ## format the code
	$(TOOL) gofumpt -w .

fmt-check:
	@bad=$$($(TOOL) gofumpt -l .) || exit 1; \
	if [ -n "$$bad" ]; then echo "not formatted, run make fmt:"; echo "$$bad"; exit 1; fi

vet:
	go vet $(PACKAGES)
	go vet -tags failpoint ./internal/failpoint

lint: ## run golangci-lint
	$(TOOL) golangci-lint run

sqlc-check:
	@$(TOOL) sqlc diff || { echo "generated queries are stale, run make generate"; exit 1; }

# The tests compare every generated page in docs/ with what would be generated.
race:
	@command -v "$${CC:-cc}" >/dev/null || command -v gcc >/dev/null || { echo "the race detector needs a C compiler (cc or gcc)"; exit 1; }
	CGO_ENABLED=1 $(GOTEST) -race $(PACKAGES)

vectors: ## replay the providers' recorded requests, print N of N for each
	@sh scripts/vectors.sh

bad-inputs: ## send every bad input there is a row for, over real sockets, and print N of N a row
	@sh scripts/bad_inputs.sh

proofs: ## run every proof: TestProof*, interleavings, property tests with CHECKS cases (100000), CHECKS_SERVER on servers (2000)
	@CHECKS=$(CHECKS) CHECKS_SERVER=$(CHECKS_SERVER) sh scripts/proofs.sh

fuzz: ## run every fuzz target for FUZZTIME (60s) and print what each tried
	@FUZZTIME=$(FUZZTIME) sh scripts/fuzz.sh

test-crash: ## kill the program again and again under load, then count
	go test -count=1 -timeout 20m -v -run TestCrash ./test/crash -crash

test-mutants: ## plant known defects one at a time and require that a test catches each; MUTANT="text" selects
	@MUTANT="$(MUTANT)" sh scripts/mutants.sh

test-kafka: ## run the bus suite and the processes on a real Apache Kafka; needs Java 17 and Maven
	@sh scripts/test_kafka.sh

test-load: ## 2,000 callbacks a second on a real Apache Kafka, while things are killed and frozen; takes the machine for 6 minutes
	@WAYBILL_TEST_KAFKA=$${WAYBILL_TEST_KAFKA:-own} go test -count=1 -timeout 30m -v -skip 'TestManyOrganisations|TestFlood|TestEarly' ./test/cluster -load

test-early: ## half of all callbacks before their send record, 2,000 a second on a real Apache Kafka, alone and beside a million parked; takes the machine for 10 minutes
	@WAYBILL_TEST_KAFKA=$${WAYBILL_TEST_KAFKA:-own} go test -count=1 -timeout 30m -v -run TestEarly ./test/cluster -load

bench-campaign: ## a campaign of a million messages
	go test -v -timeout 30m ./bench/campaign -messages 1000000

bench-held: ## every statement on held events, with a thousand of them and with a million
	go test -count=1 -v -timeout 60m ./bench/held -events 1000,1000000

bench-tenantmap: ## look-ups in ten million mappings against the bare query, and the memory of the cache; takes ten minutes
	go test -count=1 -v -timeout 60m ./bench/tenantmap -mappings 10000000 -targets

bench-providers: ## what verifying and parsing cost beside bare programs; writes the table in docs/benchmarks.md
	go test -count=1 -v ./bench/providers -rounds 501 -write ../../docs/benchmarks.md

bench-orgs: ## what row-level security costs, and what many organisations in a batch do
	go test -run '^$$' -bench . -benchtime 3s -timeout 30m ./bench/isolation

test-orgs: ## 200,000 callbacks for 50 and for 1,000 organisations on a real Apache Kafka, also with workers killed; takes the machine for 12 minutes
	@WAYBILL_TEST_KAFKA=$${WAYBILL_TEST_KAFKA:-own} go test -count=1 -timeout 40m -v -run TestManyOrganisations ./test/cluster -load

test-flood: ## what 200,000 callbacks of one organisation do to 40 others, 24 partitions, real Apache Kafka; RATE=40 makes these call now and then; takes the machine for 2 minutes
	@WAYBILL_TEST_KAFKA=$${WAYBILL_TEST_KAFKA:-own} go test -count=1 -timeout 20m -v -run TestFlood ./test/cluster -load -flood-rate $(RATE)

kafka-up: ## start a real Apache Kafka for tests, NODES=3 for three brokers, and print the addresses
	@scripts/kafka.sh up

kafka-down: ## stop it
	@scripts/kafka.sh down

generate: ## write generated code and docs anew
	$(TOOL) sqlc generate
	go test -count=1 -run '^TestDocs' ./internal/app -update

asyncapi: ## hold docs/asyncapi.yaml against AsyncAPI's own schema; needs npm
	@sh scripts/asyncapi.sh

build: ## build the commands into bin/
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/...

# The argument's name hides every tool from the recipe: `command -p` finds sh
# without it, and the script sets a PATH of its own.
module: ## rename the module: make module PATH=example.com/you/waybill
	@command -p sh scripts/module.sh $(if $(filter command line,$(origin PATH)),'$(PATH)')

vuln: ## look for known vulnerabilities
	@sh scripts/vuln.sh "$(TOOL)"
