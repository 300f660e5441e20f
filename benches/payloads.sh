#!/usr/bin/env bash
# Measures what serving payloads costs, against nginx with sendfile: the server's CPU for one request, in
# PAIRS alternating pairs for each kind, medians and their ratio (above 1: Tidegate needs less than nginx).
#
#   benches/payloads.sh
#
# Both serve the same files from one worker on core 0, wrk runs on core 1. Build Tidegate as the image is:
#   cargo build --profile image --features jemalloc
# Needs bash, nginx, wrk, curl and taskset; TIDEGATE names another binary.
set -euo pipefail

tidegate=$(realpath "${TIDEGATE:-target/image/tidegate}")
pairs=${PAIRS:-5}
seconds=${SECONDS_EACH:-3}
port=${PORT:-8190}
tick=$(getconf CLK_TCK)

for tool in nginx wrk curl taskset; do
    command -v "$tool" >/dev/null || { echo "$tool is missing: install it first" >&2; exit 2; }
done

work=$(mktemp -d)
pids=()
trap '((${#pids[@]} == 0)) || kill "${pids[@]}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT INT TERM
# nginx's worker may be another user.
chmod 755 "$work"
cd "$work"

mkdir files
head -c 10240 /dev/urandom >files/small.bin
head -c 67108864 /dev/urandom >files/large.bin
"$tidegate" init --offline-keys keys --no-encrypt >/dev/null 2>&1
mkdir channels/1.0
printf 'format: 1\nline: "1.0"\ntitle: Example\n' >channels/1.0/line.yaml
"$tidegate" release add 1.0.0 --payload files/small.bin --payload files/large.bin >/dev/null 2>&1
"$tidegate" release sign --key keys/release.pem --targets-key keys/targets.pem >/dev/null 2>&1

# Each of nginx's ports has its own access log, or none.
cat >nginx.conf <<END
worker_processes 1;
daemon off;
pid $work/nginx.pid;
error_log $work/nginx.error;
events { worker_connections 1024; }
http {
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    default_type application/octet-stream;
    server { listen 127.0.0.1:$port; root $work/files; access_log off; }
    server { listen 127.0.0.1:$((port + 1)); root $work/files; access_log $work/nginx.access; }
}
END
taskset -c 0 nginx -p "$work" -c "$work/nginx.conf" 2>/dev/null &
pids+=($!)
start() { # PORT STATE ACCESS-LOG
    cp -r .tidegate "$2"
    taskset -c 0 "$tidegate" serve --promote on --workers 1 --listen "127.0.0.1:$1" --state "$2" --access-log "$3" \
        2>"$work/$2.log" &
    pids+=($!)
    until curl -s --fail --output got "http://127.0.0.1:$1/v1/payloads/1.0.0/large.bin"; do
        kill -0 "${pids[-1]}" || { cat "$2.log" >&2; exit 1; }
        sleep 0.1
    done
    cmp got files/large.bin
}
start $((port + 2)) quiet false
start $((port + 3)) logging true
rm got
worker=$(pgrep -P "${pids[0]}")

ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"; }
median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# Microseconds of CPU for one request.
cost() { # PID CONNECTIONS URL [HEADER]
    local before
    before=$(ticks "$1")
    taskset -c 1 wrk -t1 "-c$2" "-d${seconds}s" --timeout 30s ${4:+-H "$4"} "$3" >wrk.out
    ! grep -E 'Non-2xx|Socket errors' wrk.out >&2 || { echo "$3 was not answered well" >&2; exit 1; }
    awk -v ticks="$(($(ticks "$1") - before))" -v tick="$tick" '/requests in/ { printf "%.2f\n", ticks / tick * 1e6 / $1 }' wrk.out
}

compare() { # NAME FILE CONNECTIONS PLACE-OF-PORT HEADER?
    local nginx_url=http://127.0.0.1:$((port + $4))/$2 own_url=http://127.0.0.1:$((port + 2 + $4))/v1/payloads/1.0.0/$2
    local tag nginx_header= own_header= i
    if [[ -n ${5:-} ]]; then
        tag() { curl -sI "$1" | tr -d '\r' | awk 'tolower($1) == "etag:" { print $2 }'; }
        nginx_header="If-None-Match: $(tag "$nginx_url")"
        own_header="If-None-Match: $(tag "$own_url")"
    fi
    : >nginx.costs
    : >own.costs
    for ((i = 0; i < pairs; i++)); do
        cost "$worker" "$3" "$nginx_url" "$nginx_header" >>nginx.costs
        cost "${pids[$((1 + $4))]}" "$3" "$own_url" "$own_header" >>own.costs
    done
    awk -v name="$1" -v nginx="$(median nginx.costs)" -v own="$(median own.costs)" \
        'BEGIN { printf "%-28s nginx %9.2f us, tidegate %9.2f us, ratio %.2f\n", name, nginx, own, nginx / own }'
}

compare "10 KB" small.bin 32 0
compare "10 KB, with an access log" small.bin 32 1
compare "10 KB, 304" small.bin 32 0 held
compare "64 MB" large.bin 4 0
compare "64 MB, with an access log" large.bin 4 1
