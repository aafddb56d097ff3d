#!/usr/bin/env bash
# demo.sh [--seconds N] [--json FILE], with BUILD_DIR set: starts the broker, talks to it with redis-cli, loads it with
# redis-benchmark, has subscribers come and go and killed, stops it, and tells what happened. The exit status is 0 only if
# every command succeeded and every object that was made has been destroyed.
set -euo pipefail
: "${BUILD_DIR:?says where the broker was built}"
broker=$BUILD_DIR/examples/broker/broker
seconds=12
json=
work=$(mktemp -d)
broker_pid=
sampler_pid=
audience_pid=
errors=0
clients=50
topics=100    # that are published to
subscribers=20 # at any time

die() {
	echo "demo: $*" >&2
	exit 1
}

# A sampler that was told to end, and what a failed demo leaves behind.
clean_up() {
	[[ -z $sampler_pid ]] || kill "$sampler_pid" 2>/dev/null || true
	[[ -z $audience_pid ]] || kill "$audience_pid" 2>/dev/null || true
	[[ -z $broker_pid ]] || kill -KILL "$broker_pid" 2>/dev/null || true
	rm -rf "$work"
}
trap clean_up EXIT

while (($# > 0)); do
	case $1 in
	--seconds) seconds=${2:?} && shift 2 ;;
	--json) json=${2:?} && shift 2 ;;
	*) die "unknown option $1; there are --seconds N and --json FILE" ;;
	esac
done
[[ $seconds =~ ^[1-9][0-9]*$ ]] || die "--seconds wants a whole number above 0, not '$seconds'"

# --- the broker and what is asked of it ----------------------------------------------------------------------------

start_broker() {
	local line
	exec {broker_output}< <(exec "$broker" --port 0)
	broker_pid=$!
	read -r -u "$broker_output" line || die "the broker does not start"
	port=${line##*:}
	echo "broker: $line, $(nproc) event loops, one a thread"
}

# show EXPECTED REPLY WHAT...: a line of the session.
show() {
	local expected=$1 reply=$2
	shift 2
	printf '    %-34s %s\n' "$*" "$reply"
	[[ $reply != "$expected" ]] || return 0
	echo "    expected: $expected"
	((errors += 1))
}

# ask EXPECTED COMMAND...: shows a command and its reply.
ask() {
	local expected=$1 reply
	shift
	reply=$(redis-cli -p "$port" "$@" | paste -sd " ") || reply="redis-cli failed"
	show "$expected" "$reply" "$@"
}

# await EXPECTED COMMAND...: the same, asked until that is the reply; for at most 10 s.
await() {
	local expected=$1 deadline=$((SECONDS + 10))
	shift
	until [[ $(redis-cli -p "$port" "$@" | paste -sd " ") == "$expected" ]] || ((SECONDS > deadline)); do
		:
	done
	ask "$expected" "$@"
}

# info NAME...: these figures of INFO, in this order, on one line.
info() {
	redis-cli -p "$port" info | awk -v names="$*" -F: '
		{ sub(/\r$/, ""); value[$1] = $2 }
		END {
			count = split(names, name, " ")
			for (i = 1; i <= count; i++)
				printf "%s%s", value[name[i]], i < count ? " " : "\n"
		}'
}

resident_kib() {
	awk '/^VmRSS:/ { print $2 }' "/proc/$broker_pid/status"
}

group() { # 1234567 -> 1,234,567
	sed -e ':again' -e 's/\([0-9]\)\([0-9]\{3\}\)\(,\|$\)/\1,\2\3/' -e 't again' <<<"$1"
}

# --- load ----------------------------------------------------------------------------------------------------------

# benchmark REQUESTS PIPELINE ARGUMENT...: prints requests a second.
benchmark() {
	local requests=$1 pipeline=$2
	shift 2
	redis-benchmark -p "$port" -c "$clients" -n "$requests" -P "$pipeline" --csv "$@" \
		>"$work/benchmark.csv" 2>"$work/benchmark.err" || return 1
	[[ ! -s $work/benchmark.err ]] || return 1
	awk -F'","' 'NR > 1 || $1 !~ /test/ { sub(/"$/, "", $2); rate = $2 } END { printf "%d\n", rate }' "$work/benchmark.csv"
}

now_us() {
	echo "${EPOCHREALTIME/[.,]/}"
}

# One line of progress a second, rewritten in place on a terminal.
sample() {
	local label before now live waiting destroyed callbacks destroys end=$'\n'
	[[ ! -t 1 ]] || end=$'\r'
	before=$(info total_commands_processed)
	while sleep 1; do
		read -r now live waiting destroyed callbacks destroys < <(info total_commands_processed objects_left \
			dead_objects_waiting objects_destroyed callbacks_run destroys_run) || return 0
		label=$(cat "$work/label")
		printf '    %-22s %9s commands/s  %8s live  %8s dead, waiting  %10s destroyed  %10s run%s' "$label" \
			"$(group $((now - before)))" "$(group "$live")" "$(group "$waiting")" "$(group "$destroyed")" \
			"$(group $((callbacks + destroys)))" "$end"
		before=$now
	done
}

start_sampler() {
	echo start >"$work/label"
	sample &
	sampler_pid=$!
}

stop_sampler() {
	kill "$sampler_pid" 2>/dev/null || true
	wait "$sampler_pid" 2>/dev/null || true
	sampler_pid=
	[[ ! -t 1 ]] || printf '%*s\r' 120 ''
}

# load LABEL PIPELINE ARGUMENT...: a slot's time of it, in portions so that a machine that slows down does not draw it out;
# sets `rate` to commands a second.
load() {
	local label=$1 pipeline=$2 requests=2000 portion total=0 spent_us=0 left_us end_us
	shift 2
	echo "$label" >"$work/label"
	end_us=$(($(now_us) + slot_us))
	rate=0
	while left_us=$((end_us - $(now_us))) && ((left_us > 0)); do
		if ! portion=$(benchmark "$requests" "$pipeline" "$@") || ((portion == 0)); then
			echo "    $label failed: $(cat "$work/benchmark.err")"
			((errors += 1))
			return 0
		fi
		((total += requests, spent_us += requests * 1000000 / portion)) || true
		requests=$((portion * (left_us < slot_us / 3 ? left_us : slot_us / 3) / 1000000 + 1000))
	done
	rate=$((total * 1000000 / spent_us))
}

# --- subscribers ---------------------------------------------------------------------------------------------------

# The names that redis-benchmark makes of topic:__rand_int__.
some_topics() {
	for _ in 1 2 3 4 5; do
		printf 'topic:%012d ' $((RANDOM % topics))
	done
}

# Until it is told to end: a new subscriber to some topics every twentieth of a second; of too many the oldest is killed.
# They are all killed in the end; nobody unsubscribes.
come_and_go() {
	local -a pids=()
	trap 'kill -KILL "${pids[@]}"; exit' TERM
	while :; do
		# The topics are words on purpose.
		# shellcheck disable=SC2046
		redis-cli -p "$port" SUBSCRIBE $(some_topics) </dev/null >/dev/null 2>&1 &
		disown
		pids+=($!)
		if ((${#pids[@]} > subscribers)); then
			kill -KILL "${pids[0]}"
			pids=("${pids[@]:1}")
		fi
		sleep 0.05
	done
}

start_audience() {
	come_and_go &
	audience_pid=$!
}

kill_audience() {
	kill "$audience_pid"
	wait "$audience_pid" 2>/dev/null || true
	audience_pid=
}

# --- the parts of the demo -----------------------------------------------------------------------------------------

show_session() {
	echo
	echo "1. A session with redis-cli"
	ask PONG PING
	ask OK SET greeting hello
	ask hello GET greeting
	ask OK SET answer hello
	ask "hello hello " MGET greeting answer nothing
	ask 2 EXISTS greeting answer nothing
	ask 2 DBSIZE
	ask 2 DEL greeting answer
	ask "" GET greeting
	redis-cli -p "$port" SUBSCRIBE news </dev/null >/dev/null 2>&1 &
	disown
	await "news 1" PUBSUB NUMSUB news
	ask 1 PUBLISH news "there is somebody"
	kill -KILL $!
	await "news 0" PUBSUB NUMSUB news
	ask 0 PUBLISH news "there was somebody"
}

show_sharing() {
	local keys values before filled
	echo
	echo "2. Equal values share memory, and it is given back"
	before=$(resident_kib)
	benchmark 100000 16 -t set -r 20000 -d 2000 >/dev/null || ((errors += 1))
	read -r keys values < <(info keys different_values)
	filled=$(resident_kib)
	echo "    redis-benchmark has set $(group "$keys") keys, each to the same 2,000 bytes."
	echo "    Different values in memory: $values. Copies would take $(group $((keys * 2000 / 1024))) KiB; the broker grew by" \
		"$(group $((filled - before))) KiB."
	((values == 1 && keys > 1000)) || ((errors += 1))
	ask OK SET key:000000000001 "another value"
	show 2 "$(info different_values)" "INFO: different_values"
	ask OK FLUSHALL
	show 0 "$(info different_values)" "INFO: different_values"
	echo "    Nothing removes a value: the last key that lets go of it ends it, and it leaves the dictionary by itself."
}

show_load() {
	local slot_us=$((seconds * 1000000 / 7)) rate
	echo
	echo "3. Load: redis-benchmark, $clients clients, about $seconds s"
	start_sampler
	load "SET" 1 -t set
	set_plain=$rate
	load "GET" 1 -t get
	get_plain=$rate
	load "SET, 16 at once" 16 -t set
	set_rate=$rate
	load "GET, 16 at once" 16 -t get
	get_rate=$rate
	load "values come and go" 16 -r 100000 SET key:__rand_int__ value:__rand_int__
	churn_rate=$rate
	load "the same, one by one" 1 -r 100000 SET key:__rand_int__ value:__rand_int__
	start_audience
	load "PUBLISH, 16 at once" 16 -r "$topics" PUBLISH topic:__rand_int__ "a message"
	publish_rate=$rate
	stop_sampler
}

# The subscribers are still there. They are killed, and nobody tidies up.
show_topics() {
	local published delivered listening
	echo
	echo "4. Topics go with their subscribers"
	read -r published delivered listening < <(info messages_published messages_delivered topics)
	echo "    $(group "$published") messages were published to $topics topics and $(group "$delivered") delivered to" \
		"subscribers that came and went."
	echo "    $listening topics have subscribers now. All subscribers are killed (SIGKILL):"
	((listening > 0 && delivered > 0)) || ((errors += 1))
	kill_audience
	await "" PUBSUB CHANNELS
	ask "topic:000000000001 0" PUBSUB NUMSUB topic:000000000001
	ask 0 PUBLISH topic:000000000001 "a message"
	show 0 "$(info topics)" "INFO: topics"
	echo "    Nothing removes a topic: its last subscriber's connection keeps it, and it leaves the dictionary by itself."
}

stop_broker() {
	local line status=0
	errors=$((errors + $(info total_error_replies)))
	kill -TERM "$broker_pid"
	balanced=no
	while read -r -u "$broker_output" line; do
		accounting+=("$line")
		case $line in
		total\ *) total=$line ;;
		balanced) balanced=yes ;;
		esac
	done
	wait "$broker_pid" || status=$?
	broker_pid=
	((status == 0)) || balanced=no
}

total_of() { # NAME of the line "total name=number ..."
	tr ' ' '\n' <<<"$total" | awk -F= -v name="$1" '$1 == name { print $2 }'
}

report() {
	echo
	echo "5. The end: SIGTERM, clients closed, queues closed, containers released, runtime shut down"
	printf '    %s\n' "${accounting[@]}"
	echo
	echo "What happened"
	printf '    %-46s %12s a second\n' \
		"SET, one command at a time" "$(group "$set_plain")" "GET, one command at a time" "$(group "$get_plain")" \
		"SET, 16 in a pipeline" "$(group "$set_rate")" "GET, 16 in a pipeline" "$(group "$get_rate")" \
		"SET of values that come and go, 16 in a pipeline" "$(group "$churn_rate")" \
		"PUBLISH while subscribers come and go" "$(group "$publish_rate")"
	echo "    $(group "$(total_of created)") objects were made and $(group "$(total_of destroyed)") destroyed;" \
		"$(group "$(total_of callbacks)") destructors and posted calls ran;"
	echo "    at most $(group "$(total_of backlog_peak)") dead objects waited for threads that might still look at them."
	if [[ $balanced == yes && $errors == 0 ]]; then
		echo "    Every command succeeded, and every object is accounted for."
	else
		echo "    FAILED: $errors errors, accounting balanced: $balanced"
	fi
}

write_json() {
	printf '{"commands_per_second": {"SET": %d, "GET": %d, "PUBLISH": %d},' "$set_rate" "$get_rate" "$publish_rate"
	printf ' "objects_created": %d, "objects_destroyed": %d, "callbacks": %d, "backlog_peak": %d, "errors": %d}\n' \
		"$(total_of created)" "$(total_of destroyed)" "$(total_of callbacks)" "$(total_of backlog_peak)" "$errors"
}

accounting=()
total=
start_broker
show_session
show_sharing
show_load
show_topics
stop_broker
report
[[ -z $json ]] || write_json >"$json"
[[ $balanced == yes && $errors == 0 ]]
