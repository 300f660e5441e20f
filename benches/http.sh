#!/bin/sh
# Measures Tidegate against a bare actix-web handler that answers with the same heads and bytes:
# server on core 0, wrk on core 1, PAIRS alternating pairs for each path, medians and their ratio.
#
#   benches/http.sh URL [PATH…]
#
# URL is a Tidegate that listens on this machine, pinned to core 0 (it then has one worker), with
# the access log off, since the bare handler writes none:
#   taskset -c 0 target/image/tidegate serve --demo --access-log false
# Build it as the image is: cargo build --profile image --features jemalloc
# Needs wrk, curl, taskset and a bare handler: cargo build --profile image --bench bare
set -eu

url=${1:?usage: benches/http.sh URL [PATH…]}
shift
[ $# -gt 0 ] || set -- "/v1/channels/1.8-production/update?version=1.8.4-tectonic.1" "/v1/channels/1.8-production"
pairs=${PAIRS:-10}
seconds=${SECONDS_EACH:-3}
connections=${CONNECTIONS:-32}
bare_address=${BARE_ADDRESS:-127.0.0.1:8099}
bare=${BARE:-$(ls -t target/image/deps/bare-* 2>/dev/null | grep -v '\.d$' | head -n 1)}

for tool in wrk curl taskset; do
    command -v "$tool" >/dev/null || { echo "$tool is missing: install it first" >&2; exit 2; }
done
[ -x "$bare" ] || { echo "no bare handler: cargo build --profile image --bench bare" >&2; exit 2; }

work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM

# Requests per second.
rate() {
    taskset -c 1 wrk -t1 -c"$connections" -d"${seconds}s" "$1" >"$work/wrk"
    ! grep -E 'Non-2xx|Socket errors' "$work/wrk" >&2 || { echo "$1 was not answered well" >&2; exit 1; }
    awk '/^Requests\/sec/ { print $2 }' "$work/wrk"
}

median() {
    sort -n "$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

for path in "$@"; do
    curl -sS --fail --dump-header "$work/head" --output "$work/body" "$url$path"
    taskset -c 0 "$bare" "$bare_address" "${path%%\?*}" "$work/head" "$work/body" &
    pid=$!
    curl -sS --fail --retry 20 --retry-connrefused --retry-delay 1 --output "$work/bare" "http://$bare_address$path"
    cmp "$work/body" "$work/bare"
    : >"$work/tidegate.rates"
    : >"$work/bare.rates"
    i=0
    while [ "$i" -lt "$pairs" ]; do
        rate "$url$path" >>"$work/tidegate.rates"
        rate "http://$bare_address$path" >>"$work/bare.rates"
        i=$((i + 1))
    done
    kill "$pid"
    wait "$pid" 2>/dev/null || true
    pid=
    awk -v path="$path" -v own="$(median "$work/tidegate.rates")" -v bare="$(median "$work/bare.rates")" \
        -v bytes="$(wc -c <"$work/body")" \
        'BEGIN { printf "%s (%d bytes): tidegate %.0f/s, bare %.0f/s, ratio %.2f\n", path, bytes, own, bare, own / bare }'
done
