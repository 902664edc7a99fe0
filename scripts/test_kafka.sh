#!/bin/sh
# Runs the bus suite on a real Apache Kafka: starts one with kafka.sh on a port
# of its own and with fresh data, unless WAYBILL_TEST_KAFKA names a broker. What
# kills that one comes last, if WAYBILL_TEST_KAFKA_RESTART says how: the suite
# waits for the broker's own work, compaction, which a crash may hold up. Then
# the processes: those tests start brokers of their own, because they kill them.
set -eu
if [ -z "${WAYBILL_TEST_KAFKA:-}" ]; then
	KAFKA_PORT=${KAFKA_PORT:-19092}
	KAFKA_DATA=$(mktemp -d)
	export KAFKA_PORT KAFKA_DATA
	trap 'scripts/kafka.sh down; rm -rf "$KAFKA_DATA"' EXIT
	trap 'exit 130' INT TERM
	WAYBILL_TEST_KAFKA=$(scripts/kafka.sh up)
	WAYBILL_TEST_KAFKA_RESTART="'$PWD/scripts/kafka.sh' restart"
	export WAYBILL_TEST_KAFKA
fi
restart=${WAYBILL_TEST_KAFKA_RESTART:-}
unset WAYBILL_TEST_KAFKA_RESTART
echo "real Apache Kafka on $WAYBILL_TEST_KAFKA"
go test -count=1 -timeout 15m ./internal/bus/... ./status/kafka
[ -z "$restart" ] || WAYBILL_TEST_KAFKA_RESTART=$restart go test -count=1 -timeout 5m -run 'Reconnect$' ./internal/bus/kafkabus
go test -count=1 -timeout 20m ./test/cluster
