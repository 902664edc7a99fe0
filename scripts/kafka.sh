#!/usr/bin/env bash
# Starts and stops a real Apache Kafka (KRaft, no container) for the tests:
# `kafka.sh up`, `kafka.sh down`, and `kafka.sh restart`, which kills it first.
# Needs Java 17 and Maven; the jars come from Maven Central once and stay in the
# cache folder.
#
#   NODES          brokers, each a controller too      (1; with 3, replication 3 and 2 in sync)
#   KAFKA_PORT     first client port on 127.0.0.1      (9092; two ports a broker, the second for its controller)
#   KAFKA_DATA     data, logs and pid files            ($TMPDIR/waybill-kafka-$KAFKA_PORT)
#   KAFKA_CACHE    jars                                (~/.cache/waybill/kafka-$KAFKA_VERSION)
#   KAFKA_VERSION  Apache Kafka                        (4.1.0)
#
# `up` starts what does not run, waits until it answers, and prints the
# addresses. A broker's process id is in $KAFKA_DATA/N/kafka.pid. Data survives
# down and up; remove the folder to begin anew.
set -euo pipefail

version=${KAFKA_VERSION:-4.1.0}
nodes=${NODES:-1}
port=${KAFKA_PORT:-9092}
data=${KAFKA_DATA:-${TMPDIR:-/tmp}/waybill-kafka-$port}
cache=${KAFKA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/waybill/kafka-$version}

die() { echo "kafka.sh: $*" >&2; exit 1; }

client_port() { echo $((port + 2 * ($1 - 1))); }
controller_port() { echo $((port + 2 * ($1 - 1) + 1)); }
pid() { cat "$data/$1/kafka.pid" 2>/dev/null; }

# alive N asks for our broker, not for whatever else has the pid by now.
alive() { [ -n "$(pid "$1")" ] && ps -o args= -p "$(pid "$1")" | grep -qF "kafka.Kafka $data/$1/"; }

# list NAME joins what NAME prints for every node with commas.
list() {
	local n out=
	for n in $(seq "$nodes"); do out+=,$("$1" "$n"); done
	echo "${out#,}"
}
voter() { echo "$1@127.0.0.1:$(controller_port "$1")"; }
address() { echo "127.0.0.1:$(client_port "$1")"; }

# jars resolves the broker's class path into the cache folder. The marker is
# written last, so an interrupted download is done again.
jars() {
	[ -f "$cache/complete" ] && return
	command -v mvn >/dev/null || die "Maven is needed to fetch Apache Kafka $version"
	mkdir -p "$cache"
	cat >"$cache/pom.xml" <<-POM
		<project xmlns="http://maven.apache.org/POM/4.0.0">
		  <modelVersion>4.0.0</modelVersion>
		  <groupId>waybill</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
		  <dependencies>
		    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
		    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
		  </dependencies>
		</project>
	POM
	echo "fetching Apache Kafka $version from Maven Central" >&2
	mvn -q -B -f "$cache/pom.xml" dependency:copy-dependencies \
		-DincludeScope=runtime -DoutputDirectory="$cache/lib" >&2 || die "Maven could not fetch Apache Kafka $version"
	touch "$cache/complete"
}

config() {
	local replicas=1 insync=1
	[ "$nodes" -lt 3 ] || { replicas=3 insync=2; }
	cat >"$data/$1/server.properties" <<-PROPERTIES
		process.roles=broker,controller
		node.id=$1
		controller.quorum.voters=$(list voter)
		listeners=PLAINTEXT://$(address "$1"),CONTROLLER://127.0.0.1:$(controller_port "$1")
		advertised.listeners=PLAINTEXT://$(address "$1")
		controller.listener.names=CONTROLLER
		listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
		log.dirs=$data/$1/log
		auto.create.topics.enable=false
		default.replication.factor=$replicas
		min.insync.replicas=$insync
		offsets.topic.num.partitions=4
		offsets.topic.replication.factor=$replicas
		transaction.state.log.replication.factor=$replicas
		transaction.state.log.min.isr=$insync
		group.initial.rebalance.delay.ms=0
		broker.session.timeout.ms=3000
		broker.heartbeat.interval.ms=500
		log.cleaner.backoff.ms=1000
		log.retention.check.interval.ms=1000
		log.initial.task.delay.ms=500
	PROPERTIES
}

# run becomes the JVM, so that the pid of its caller's subshell is the JVM's.
run() {
	exec java -Xms128m -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
		-Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dorg.slf4j.simpleLogger.showDateTime=true \
		-cp "$cache/lib/*" "$@"
}

# start N begins a broker and does not wait for it.
start() {
	local home=$data/$1
	mkdir -p "$home"
	config "$1"
	if [ ! -f "$home/log/meta.properties" ]; then
		(run kafka.tools.StorageTool format -c "$home/server.properties" -t waybill-test-cluster-00) \
			>"$home/kafka.log" 2>&1 || { cat "$home/kafka.log" >&2; die "formatting $home failed"; }
	fi
	(trap '' HUP; run kafka.Kafka "$home/server.properties") >>"$home/kafka.log" 2>&1 </dev/null &
	echo $! >"$home/kafka.pid"
}

up() {
	command -v java >/dev/null || die "Java 17 is needed to run Apache Kafka $version"
	jars
	for n in $(seq "$nodes"); do alive "$n" || start "$n"; done
	i=0
	for n in $(seq "$nodes"); do
		until answers "$n"; do
			alive "$n" || { tail -n 20 "$data/$n/kafka.log" >&2; die "broker $n stopped at once, see $data/$n/kafka.log"; }
			i=$((i + 1))
			[ $i -lt 240 ] || die "no answer on $(address "$n") within 60 s, see $data/$n/kafka.log"
			sleep 0.25
		done
	done
	list address
}

# answers N says whether the broker serves requests, which is later than that
# it listens: it sends an ApiVersions request, as every client does first.
answers() (
	exec 2>/dev/null 3<>"/dev/tcp/127.0.0.1/$(client_port "$1")" || exit 1
	printf '\000\000\000\017\000\022\000\000\000\000\000\001\000\005ready' >&3
	[ "$(timeout 1 head -c 4 <&3 | wc -c)" -eq 4 ]
)

# down stops every broker that was started in the folder, however many.
down() {
	for home in "$data"/*/; do
		n=$(basename "$home")
		alive "$n" && kill "$(pid "$n")"
	done
	for home in "$data"/*/; do
		n=$(basename "$home")
		i=0
		while alive "$n"; do
			i=$((i + 1))
			[ $i -lt 120 ] || { kill -9 "$(pid "$n")"; break; }
			sleep 0.25
		done
		rm -f "$home/kafka.pid"
	done
}

# restart is a crash: the brokers get no time to hand anything over. They serve
# again when the session of their former life is over, see config.
restart() {
	for home in "$data"/*/; do
		n=$(basename "$home")
		alive "$n" || continue
		kill -9 "$(pid "$n")"
		while alive "$n"; do sleep 0.05; done
	done
	up
}

case ${1:-} in
up) up ;;
down) down ;;
restart) restart ;;
*) die "usage: kafka.sh up|down|restart" ;;
esac
