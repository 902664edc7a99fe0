#!/usr/bin/env bash
# Starts and stops one real Apache Kafka broker (KRaft, no container) for the
# tests: `kafka.sh up`, `kafka.sh down`, and `kafka.sh restart`, which kills it
# first. Needs Java 17 and Maven; the jars come from Maven Central once and stay
# in the cache folder.
#
#   KAFKA_PORT     client port on 127.0.0.1            (9092; the controller takes the next one)
#   KAFKA_DATA     data, log and pid file              ($TMPDIR/waybill-kafka-$KAFKA_PORT)
#   KAFKA_CACHE    jars                                (~/.cache/waybill/kafka-$KAFKA_VERSION)
#   KAFKA_VERSION  Apache Kafka                        (4.1.0)
#
# `up` prints the address. Data survives down and up; remove the folder to begin anew.
set -euo pipefail

version=${KAFKA_VERSION:-4.1.0}
port=${KAFKA_PORT:-9092}
data=${KAFKA_DATA:-${TMPDIR:-/tmp}/waybill-kafka-$port}
cache=${KAFKA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/waybill/kafka-$version}
pidfile=$data/kafka.pid
log=$data/kafka.log

die() { echo "kafka.sh: $*" >&2; exit 1; }

# alive asks for our broker, not for whatever else has the pid by now.
alive() { [ -f "$pidfile" ] && ps -o args= -p "$(cat "$pidfile")" | grep -qF "kafka.Kafka $data/"; }

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
	cat >"$data/server.properties" <<-PROPERTIES
		process.roles=broker,controller
		node.id=1
		controller.quorum.voters=1@127.0.0.1:$((port + 1))
		listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
		advertised.listeners=PLAINTEXT://127.0.0.1:$port
		controller.listener.names=CONTROLLER
		listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
		log.dirs=$data/log
		auto.create.topics.enable=false
		offsets.topic.num.partitions=4
		offsets.topic.replication.factor=1
		transaction.state.log.replication.factor=1
		transaction.state.log.min.isr=1
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

up() {
	alive && { echo "127.0.0.1:$port"; return; }
	command -v java >/dev/null || die "Java 17 is needed to run Apache Kafka $version"
	jars
	mkdir -p "$data"
	config
	if [ ! -f "$data/log/meta.properties" ]; then
		(run kafka.tools.StorageTool format -c "$data/server.properties" -t waybill-test-cluster-00) \
			>"$log" 2>&1 || { cat "$log" >&2; die "formatting $data failed"; }
	fi
	(trap '' HUP; run kafka.Kafka "$data/server.properties") >>"$log" 2>&1 </dev/null &
	echo $! >"$pidfile"
	i=0
	until answers; do
		alive || { tail -n 20 "$log" >&2; die "the broker stopped at once, see $log"; }
		i=$((i + 1))
		[ $i -lt 240 ] || die "no answer on 127.0.0.1:$port within 60 s, see $log"
		sleep 0.25
	done
	echo "127.0.0.1:$port"
}

# answers says whether the broker serves requests, which is later than that it
# listens: it sends an ApiVersions request, as every client does first.
answers() (
	exec 2>/dev/null 3<>"/dev/tcp/127.0.0.1/$port" || exit 1
	printf '\000\000\000\017\000\022\000\000\000\000\000\001\000\005ready' >&3
	[ "$(timeout 1 head -c 4 <&3 | wc -c)" -eq 4 ]
)

down() {
	alive || { rm -f "$pidfile"; return 0; }
	pid=$(cat "$pidfile")
	kill "$pid"
	i=0
	while alive; do
		i=$((i + 1))
		[ $i -lt 120 ] || { kill -9 "$pid"; break; }
		sleep 0.25
	done
	rm -f "$pidfile"
}

# restart is a crash: the broker gets no time to hand anything over. It serves
# again when the session of its former life is over, see config.
restart() {
	alive || die "no broker runs on $data"
	pid=$(cat "$pidfile")
	kill -9 "$pid"
	while alive; do sleep 0.05; done
	up
}

case ${1:-} in
up) up ;;
down) down ;;
restart) restart ;;
*) die "usage: kafka.sh up|down|restart" ;;
esac
