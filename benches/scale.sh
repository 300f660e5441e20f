#!/usr/bin/env bash
# Measures how Tidegate grows: makes catalogs of several sizes and prints, for each, how long an edit takes
# until it is served, what it costs, how long starts and stops take, and what a cluster fetches.
#
#   benches/scale.sh DIR [RELEASES/LINES…]
#
# DIR keeps the catalogs for the next run, and must be on a disk. The sizes are 100/1 1000/5 10000/20
# 10000/200 100000/50 unless others are named. Times are medians in seconds. Build first:
#   cargo build --profile image --features jemalloc && cargo bench --no-run --profile image --bench catalog
# Needs bash, curl, jq and awk; TIDEGATE and CATALOG name other binaries.
set -euo pipefail

dir=${1:?usage: benches/scale.sh DIR [RELEASES/LINES…]}
shift
(($#)) || set -- 100/1 1000/5 10000/20 10000/200 100000/50
tidegate=$(realpath "${TIDEGATE:-target/image/tidegate}")
catalog=$(realpath "${CATALOG:-$(ls -t target/image/deps/catalog-* 2>/dev/null | grep -v '\.d$' | head -n 1)}")
edits=${EDITS:-5}
port=${PORT:-8097}
url=http://127.0.0.1:$port
tick=$(getconf CLK_TCK)
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
    "$tidegate" serve --listen "127.0.0.1:$port" --catalog channels --payloads payloads --state state \
        --promote off --access-log false "$@" >>server.log 2>&1 &
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

measure() {
    cd "$dir/$size"
    : >server.log
    local first=() i from before version
    # A start with nothing published, which a server that once published must be told.
    [[ -e state/publication ]] && first=(--first) && rm state/publication
    start "${first[@]}" >cold
    row "ready, cold" "$(cat cold)"
    quiet
    row "resident, MB" "$(resident)"
    stop >stopped
    row "stopped" "$(cat stopped)"
    start >warm
    row "ready, warm" "$(cat warm)"
    quiet

    : >command; : >by_command; : >cost
    for ((i = 0; i < edits; i++)); do
        version=1.0.16-bench.$((i % 5 + 1))
        before=$(cpu)
        from=$(now)
        "$tidegate" release hold "$version" --reason "edit $i" --by bench --catalog channels --payloads payloads --state state >/dev/null
        since "$from" >>command
        from=$(now)
        served "$version" "edit $i"
        since "$from" >>by_command
        quiet
        awk -v a="$before" -v b="$(cpu)" 'BEGIN { print b - a }' >>cost
        "$tidegate" release resume "$version" --reason done --by bench --catalog channels --payloads payloads --state state >/dev/null
        quiet
    done
    row "release hold itself" "$(median <command)"
    row "edit by command to served" "$(median <by_command)"
    row "the server's CPU for one edit" "$(median <cost)"

    : >by_hand
    for ((i = 0; i < edits; i++)); do
        version=1.0.17-bench.$((i % 5 + 1))
        cp "channels/1.0/$version.yaml" "$version.before"
        from=$(now)
        echo "hold: { at: 2020-01-01T00:00:00Z, by: bench, reason: \"by hand $i\" }" >>"channels/1.0/$version.yaml"
        served "$version" "by hand $i"
        since "$from" >>by_hand
        cp "$version.before" "channels/1.0/$version.yaml"
        quiet
    done
    row "edit by hand in place to served" "$(median <by_hand)"

    : >next
    for ((i = 0; i < edits; i++)); do
        cp channels/1.0/1.0.18-bench.1.yaml one && cp channels/1.0/1.0.18-bench.2.yaml two
        echo "hold: { at: 2020-01-01T00:00:00Z, by: bench, reason: \"first $i\" }" | cat one - >one.new
        echo "hold: { at: 2020-01-01T00:00:00Z, by: bench, reason: \"second $i\" }" | cat two - >two.new
        mv one.new channels/1.0/1.0.18-bench.1.yaml
        sleep 0.1
        from=$(now)
        mv two.new channels/1.0/1.0.18-bench.2.yaml
        served 1.0.18-bench.2 "second $i"
        since "$from" >>next
        mv one channels/1.0/1.0.18-bench.1.yaml && mv two channels/1.0/1.0.18-bench.2.yaml
        quiet
    done
    row "edit by rename 100 ms after another" "$(median <next)"

    rm -rf cluster && mkdir cluster
    "$tidegate" cluster add bench --state cluster --root channels/trust/1.root.json --server "$url" \
        --channel 1.0-production --current 'echo 1.0.10-bench.1' >/dev/null 2>&1
    for name in first second; do
        ( TIMEFORMAT='%R %U %S'; time "$tidegate" cluster check bench --state cluster >"cluster.$name" 2>&1 ) 2>"cluster.$name.time" || true
        row "a cluster's $name look" "$(grep -iE 'request|bytes' "cluster.$name" | tr -s ' ' | tr '\n' ' ') $(awk '{ printf "CPU %.2f s, %s s", $2 + $3, $1 }' "cluster.$name.time")"
    done
    stop >stopped
    row "stopped" "$(cat stopped)"
    cd - >/dev/null
}

for sizes in "$@"; do
    size=${sizes/\//-}
    mkdir -p "$dir"
    if [[ ! -d $dir/$size ]]; then
        "$catalog" "$dir/$size" "${sizes%/*}" "${sizes#*/}" >/dev/null
    fi
    measure
done
