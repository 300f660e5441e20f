#!/usr/bin/env bash
# Measures how Tidegate grows: makes catalogs of several sizes and prints, for each, how long an edit takes
# until it is served, what it costs, how long starts and stops take, and what a cluster fetches.
#
#   benches/scale.sh DIR [RELEASES/LINES[/STAGES]…]
#   benches/scale.sh DIR growth
#
# DIR keeps the catalogs for the next run, and must be on a disk. The sizes are 100/1 1000/5 10000/20
# 10000/200 100000/50 unless others are named. Times are medians in seconds. `growth` prints the CPU of an
# edit, of an answer and of a cluster's looks for four numbers of releases, of lines and of channels. Build first:
#   cargo build --profile image --features jemalloc && cargo bench --no-run --profile image --bench catalog
# Needs bash, curl, jq and awk; TIDEGATE and CATALOG name other binaries.
set -euo pipefail

dir=${1:?usage: benches/scale.sh DIR [RELEASES/LINES[/STAGES]…]}
shift
(($#)) || set -- 100/1 1000/5 10000/20 10000/200 100000/50
growth=()
if [[ $1 == growth ]]; then
    growth=(1000/20 3000/20 10000/20 30000/20 10000/10 10000/50 10000/100 10000/200 10000/20/4 10000/20/8 10000/20/16)
    set -- "${growth[@]}"
fi
tidegate=$(realpath "${TIDEGATE:-target/image/tidegate}")
catalog=$(realpath "${CATALOG:-$(ls -t target/image/deps/catalog-* 2>/dev/null | grep -v '\.d$' | head -n 1)}")
edits=${EDITS:-5}
# What a release says of an earlier run must not be taken for what this one wrote.
run=run-$$
port=${PORT:-8097}
url=http://127.0.0.1:$port
tick=$(getconf CLK_TCK)
folders=(--catalog channels --payloads payloads --state state)
pid=
trap '[[ -z $pid ]] || kill "$pid" 2>/dev/null || true' EXIT

now() { date +%s.%N; }
since() { awk -v from="$1" -v to="$(now)" 'BEGIN { printf "%.3f\n", to - from }'; }
median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
cpu() { awk -v tick="$tick" '{ sub(/.*\) /, ""); printf "%.2f\n", ($12 + $13) / tick }' "/proc/$pid/stat"; }
resident() { awk '/^VmRSS/ { printf "%.0f\n", $2 / 1024 }' "/proc/$pid/status"; }
row() { printf '%-14s %-46s %s\n' "$size" "$1" "$2"; }

start() { # ARGUMENTS…
    local from
    from=$(now)
    "$tidegate" serve --listen "127.0.0.1:$port" "${folders[@]}" --promote off --access-log false "$@" >>server.log 2>&1 &
    pid=$!
    until curl -s --fail -o /dev/null "$url/readyz"; do
        kill -0 "$pid" || { echo "the server ended; see $PWD/server.log" >&2; exit 1; }
        sleep 0.01
    done
    since "$from"
}

stop() {
    local from
    from=$(now)
    kill "$pid"
    wait "$pid" || true
    pid=
    since "$from"
}

# Waits until the explanation of a release has a word.
served() { # VERSION WORD
    until curl -s "$url/v1/releases/$1/explain" | grep -q "$2"; do sleep 0.005; done
}

# Waits until the server is at rest.
quiet() {
    local before after
    before=$(cpu)
    while sleep 1; do
        after=$(cpu)
        awk -v a="$before" -v b="$after" 'BEGIN { exit !(b - a < 0.03) }' && return
        before=$after
    done
}

# Holds a release of the first line by command, and resumes it: how long the command takes, how long until its
# hold is served after that, and what it costs the server.
edit_by_command() {
    local i from before version
    : >command; : >by_command; : >cost
    for ((i = 0; i < edits; i++)); do
        version=1.0.16-bench.$((i % 5 + 1))
        before=$(cpu)
        from=$(now)
        "$tidegate" release hold "$version" --reason "$run edit $i" --by bench "${folders[@]}" >/dev/null
        since "$from" >>command
        served "$version" "$run edit $i"
        since "$from" >>by_command
        quiet
        awk -v a="$before" -v b="$(cpu)" 'BEGIN { print b - a }' >>cost
        resumed "$version"
    done
}

# Ends a hold, and waits until the server is at rest. A hold whose lines are taken out of the file stays in force.
resumed() { # VERSION…
    local version
    for version; do
        "$tidegate" release resume "$version" --reason done --by bench "${folders[@]}" >/dev/null
    done
    quiet
}

# Writes a hold into a release's file in place, as an editor does.
edit_by_hand() {
    local i from version
    : >by_hand
    for ((i = 0; i < edits; i++)); do
        version=1.0.17-bench.$((i % 5 + 1))
        from=$(now)
        echo "hold: { at: 2020-01-01T00:00:00Z, by: bench, reason: \"$run by hand $i\" }" >>"channels/1.0/$version.yaml"
        served "$version" "$run by hand $i"
        since "$from" >>by_hand
        resumed "$version"
    done
}

# Replaces a release's file by one with a hold, by rename.
replaced() { # VERSION REASON
    { cat "channels/1.0/$1.yaml"; echo "hold: { at: 2020-01-01T00:00:00Z, by: bench, reason: \"$2\" }"; } >"$1.new"
    mv "$1.new" "channels/1.0/$1.yaml"
}

# An edit 100 ms after another one.
edit_after_edit() {
    local i from
    : >next
    for ((i = 0; i < edits; i++)); do
        replaced 1.0.18-bench.1 "$run first $i"
        sleep 0.1
        from=$(now)
        replaced 1.0.18-bench.2 "$run second $i"
        served 1.0.18-bench.2 "$run second $i"
        since "$from" >>next
        resumed 1.0.18-bench.1 1.0.18-bench.2
    done
}

# An edit while the process is stopped for two seconds, as a machine that swaps or moves does it, and an edit
# while it gets a fifth of a core.
edit_while_starved() {
    local i from throttle
    : >paused; : >throttled
    for ((i = 0; i < edits; i++)); do
        kill -STOP "$pid"
        from=$(now)
        replaced 1.0.18-bench.3 "$run paused $i"
        sleep 2
        kill -CONT "$pid"
        served 1.0.18-bench.3 "$run paused $i"
        since "$from" >>paused
        resumed 1.0.18-bench.3
        ( while kill -STOP "$pid" && sleep 0.04 && kill -CONT "$pid" && sleep 0.01; do :; done 2>/dev/null ) &
        throttle=$!
        sleep 2
        from=$(now)
        replaced 1.0.18-bench.4 "$run throttled $i"
        served 1.0.18-bench.4 "$run throttled $i"
        since "$from" >>throttled
        kill "$throttle" 2>/dev/null || true
        wait "$throttle" 2>/dev/null || true
        kill -CONT "$pid"
        resumed 1.0.18-bench.4
    done
}

# The server's CPU for an answer, in microseconds: 10,000 of them on one connection.
answers() { # PATH
    local before count=10000
    before=$(cpu)
    curl -s -o /dev/null "$url$1&request=[1-$count]"
    awk -v a="$before" -v b="$(cpu)" -v n="$count" 'BEGIN { printf "%.0f\n", (b - a) / n * 1000000 }'
}

# A new cluster looks, and looks again.
looks() { # LINE
    local name
    rm -rf cluster && mkdir cluster
    "$tidegate" cluster add bench --state cluster --root channels/trust/1.root.json --server "$url" \
        --channel "$1-production" --current "echo $1.10-bench.1" >/dev/null 2>&1
    for name in first second; do
        ( TIMEFORMAT='%R %U %S'; time "$tidegate" cluster check bench --state cluster >"cluster.$name" 2>&1 ) 2>"cluster.$name.time" || true
        row "the $name look of a cluster in $1" "$(grep -iE 'request|bytes' "cluster.$name" | tr -s ' ' | tr '\n' ' ') $(awk '{ printf "CPU %.2f s, %s s", $2 + $3, $1 }' "cluster.$name.time")"
    done
}

measure() {
    cd "$dir/$size"
    : >server.log
    # A start with nothing published, which a server that once published must be told.
    local first=()
    [[ -e state/publication ]] && first=(--first) && rm -rf state/publication state/segments
    start "${first[@]}" >cold
    row "ready, cold" "$(cat cold)"
    quiet
    row "resident, MB" "$(resident)"
    stop >stopped
    row "stopped" "$(cat stopped)"
    start >warm
    row "ready, warm" "$(cat warm)"
    stop >stopped
    row "stopped while it reads the catalog" "$(cat stopped)"
    start >warm
    quiet
    edit_by_command
    row "release hold itself" "$(median <command)"
    row "edit by command to served, from its start" "$(median <by_command)"
    row "the server's CPU for one edit" "$(median <cost)"
    edit_by_hand
    row "edit by hand in place to served" "$(median <by_hand)"
    edit_after_edit
    row "edit by rename 100 ms after another" "$(median <next)"
    edit_while_starved
    row "edit while stopped for 2 s, most" "$(sort -n paused | tail -n 1)"
    row "edit with a fifth of a core, most" "$(sort -n throttled | tail -n 1)"
    row "CPU of an answer, µs" "$(answers "/v1/channels/1.0-production/update?version=1.0.10-bench.1")"
    looks 1.0
    ((${lines:-1} < 2)) || looks 1.1
    stop >stopped
    cd - >/dev/null
}

# What grows, and with what.
grow() {
    cd "$dir/$size"
    : >server.log
    start >ready
    quiet
    edit_by_command
    row "the server's CPU for one edit" "$(median <cost)"
    row "CPU of an answer, µs" "$(answers "/v1/channels/1.0-production/update?version=1.0.10-bench.1")"
    looks 1.0
    ((${lines:-1} < 2)) || looks 1.1
    stop >stopped
    cd - >/dev/null
}

for sizes in "$@"; do
    size=${sizes//\//-}
    IFS=/ read -r releases lines stages <<<"$sizes"
    mkdir -p "$dir"
    if [[ ! -d $dir/$size ]]; then
        "$catalog" "$dir/$size" "$releases" "$lines" ${stages:+"$stages"} >/dev/null
    fi
    if ((${#growth[@]})); then grow; else measure; fi
done
