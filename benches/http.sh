#!/usr/bin/env bash
# Measures what requests and connections cost, by the CPU time of the server's own process.
#
#   benches/http.sh [answers] [board] [log] [idle]
#
# answers: update, manifests, the timestamp and 304s, against a bare actix-web handler that answers with the same
#   status, heads and bytes: µs per request, and how much of Tidegate's the bare handler would take.
# board: the same for the console's board of the catalog in CATALOG_DIR, and how large it is.
# log: the share of a request that the access log takes, here and in nginx, and the lines that were lost.
# idle: the memory that an idle connection takes.
#
# Servers run on core 0, wrk on core 1, in alternating pairs; what is printed are medians. Build first, as the
# image is built:
#   cargo build --profile image --features jemalloc --bin tidegate --bench bare
# Needs bash, wrk, curl, taskset, nginx (for `log`) and python3 (for `idle`). TIDEGATE and BARE name other binaries.
set -euo pipefail
cd "$(dirname "$0")/.."

tidegate=$(realpath "${TIDEGATE:-target/image/tidegate}")
bare=${BARE:-$(ls -t target/image/deps/bare-* 2>/dev/null | grep -v '\.d$' | head -n 1 || true)}
pairs=${PAIRS:-5}
seconds=${SECONDS_EACH:-3}
connections=${CONNECTIONS:-32}
port=${PORT:-8710}
idle=${IDLE:-9000}
tick=$(getconf CLK_TCK)
update='/v1/channels/1.8-production/update?version=1.8.4-tectonic.1'
work=$(mktemp -d)
pids=()
trap '((${#pids[@]} == 0)) || kill "${pids[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT

need() { for tool; do command -v "$tool" >/dev/null || { echo "$tool is missing: install it first" >&2; exit 2; }; done; }
median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
cpu() { awk -v tick="$tick" '{ sub(/.*\) /, ""); print ($12 + $13) / tick }' "/proc/$1/stat"; }
resident() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }

# Starts a server in the background on core 0 and waits until URL answers: begin URL LOG COMMAND…
begin() {
    local url=$1 log=$2
    shift 2
    taskset -c 0 "$@" >/dev/null 2>"$log" &
    pid=$!
    pids+=("$pid")
    curl -sS --fail --retry 40 --retry-connrefused --retry-delay 1 -o /dev/null "$url" 2>/dev/null ||
        { echo "$1 did not start:" >&2; cat "$log" >&2; exit 1; }
}

# Starts Tidegate with the sample catalog: demo PORT LOG ARGUMENTS…
demo() {
    local port=$1 log=$2
    shift 2
    begin "http://127.0.0.1:$port/readyz" "$log" "$tidegate" serve --demo --state "$work/state-$port" --listen "127.0.0.1:$port" --workers 1 "$@"
}

end() { kill "$1"; wait "$1" 2>/dev/null || true; pids=("${pids[@]/$1/}"); }

# Asks for URL as fast as possible, and prints the server's CPU time per request in µs: cost PID URL [HEADER]
cost() {
    local before after
    before=$(cpu "$1")
    taskset -c 1 wrk -t1 -c"$connections" -d"${seconds}s" ${3:+-H "$3"} "$2" >"$work/wrk"
    after=$(cpu "$1")
    ! grep -E 'Non-2xx|Socket errors' "$work/wrk" >&2 || { echo "$2 was not answered well" >&2; exit 1; }
    awk '/requests in/ { print $1 }' "$work/wrk" >>"$work/asked"
    awk -v cpu="$(awk -v a="$after" -v b="$before" 'BEGIN { print a - b }')" \
        '/requests in/ { printf "%.2f\n", cpu * 1e6 / $1 }' "$work/wrk"
}

# Measures two servers in pairs. Prints both medians, and the median of the ratios: pair PID URL PID URL [HEADER]
pair() {
    local a b i
    : >"$work/a"; : >"$work/b"; : >"$work/ratio"
    for ((i = 0; i < pairs; i++)); do
        a=$(cost "$1" "$2" "${5:-}")
        b=$(cost "$3" "$4" "${5:-}")
        echo "$a" >>"$work/a"
        echo "$b" >>"$work/b"
        awk -v a="$a" -v b="$b" 'BEGIN { printf "%.3f\n", b / a }' >>"$work/ratio"
    done
    echo "$(median <"$work/a") $(median <"$work/b") $(median <"$work/ratio")"
}

# Asks for what a server says, and a bare handler for the same bytes: answer NAME PATH [HEADER]
answer() {
    local own=http://127.0.0.1:$port other=http://127.0.0.1:$((port + 1))
    curl -sS --fail ${3:+-H "$3"} --dump-header "$work/head" --output "$work/body" "$own$2"
    : >>"$work/body"
    begin "$other$2" "$work/bare.log" "$bare" "127.0.0.1:$((port + 1))" "${2%%\?*}" "$work/head" "$work/body"
    read -r a b ratio < <(pair "$server" "$own$2" "$pid" "$other$2" "${3:-}")
    echo "$1: tidegate $a µs, bare $b µs, ratio $ratio"
    end "$pid"
    rm "$work/body"
}

bare_is_built() { [[ -x $bare ]] || { echo "no bare handler: cargo build --profile image --bench bare" >&2; exit 2; }; }

answers() {
    bare_is_built
    local own=http://127.0.0.1:$port path server
    demo "$port" "$work/log" --access-log false
    server=$pid
    answer update "$update"
    answer 'channel manifest' /v1/channels/1.8-production
    answer 'release manifest' /v1/releases/1.8.4-tectonic.1
    answer timestamp /tuf/metadata/timestamp.json
    tag() { curl -sS --dump-header - -o /dev/null "$own$1" | tr -d '\r' | sed -n 's/^etag: /if-none-match: /ip'; }
    answer '304 of an update' "$update" "$(tag "$update")"
    answer '304 of a manifest' /v1/channels/1.8-production "$(tag /v1/channels/1.8-production)"
    end "$server"
}

log() {
    need nginx
    local own=http://127.0.0.1:$port other=http://127.0.0.1:$((port + 1)) with without asked lines
    demo "$port" "$work/access.log"
    with=$pid
    demo "$((port + 1))" "$work/log" --access-log false
    without=$pid
    : >"$work/asked"
    pair "$with" "$own$update" "$without" "$other$update" >"$work/pair"
    read -r a b ratio <"$work/pair"
    # Only those of the server that logs, which is every other one.
    asked=$(awk 'NR % 2 { sum += $1 } END { print sum }' "$work/asked")
    end "$with"
    end "$without"
    lines=$(grep -c 'path="/v1/channels/1.8-production/update" status=200' "$work/access.log")
    echo "access log: $a µs with it, $b µs without, $(share "$ratio") of the request; $asked requests, $lines lines"

    mkdir "$work/root"
    head -c 500 /dev/zero | tr '\0' x >"$work/root/file"
    for kind in '' ' buffer=64k flush=1s'; do
        nginx_with "$port" "access_log $work/nginx.log$([[ -z $kind ]] && echo ' combined' || echo " combined$kind")"
        with=$pid
        nginx_with "$((port + 1))" 'access_log off'
        without=$pid
        pair "$with" "$own/file" "$without" "$other/file" >"$work/pair"
        read -r a b ratio <"$work/pair"
        end "$with"
        end "$without"
        echo "nginx's${kind:- unbuffered}: $a µs with it, $b µs without, $(share "$ratio") of the request"
    done
}

share() { awk -v ratio="$1" 'BEGIN { printf "%.0f %%", (1 - ratio) * 100 }'; }

# Starts one process of nginx with this line in its configuration: nginx_with PORT LINE
nginx_with() {
    cat >"$work/nginx-$1.conf" <<EOF
daemon off; master_process off; pid $work/nginx-$1.pid; error_log $work/nginx-$1.error;
events { worker_connections 1024; }
http {
  $2; keepalive_requests 1000000000; open_file_cache max=10;
  client_body_temp_path $work/t1; proxy_temp_path $work/t2; fastcgi_temp_path $work/t3;
  uwsgi_temp_path $work/t4; scgi_temp_path $work/t5;
  server { listen 127.0.0.1:$1; root $work/root; }
}
EOF
    chmod 755 "$work"
    begin "http://127.0.0.1:$1/file" "$work/nginx.err" nginx -c "$work/nginx-$1.conf"
}

idle() {
    need python3
    demo "$port" "$work/log" --access-log false
    python3 - "$port" "$pid" "$idle" <<'EOF'
import resource, socket, sys, time
port, pid, many = (int(argument) for argument in sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
def resident():
    return next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))
head = b"GET /v1/channels/1.8-production HTTP/1.1\r\nhost: x\r\n\r\n"
def client(asks):
    connection = socket.create_connection(("127.0.0.1", port))
    if asks:
        connection.sendall(head)
        connection.recv(65536)
    return connection
for name, asks in (("silent", False), ("between requests", True)):
    # What the first clients need stays for the next ones.
    for connection in [client(asks) for _ in range(100)]:
        connection.close()
    time.sleep(1)
    before = resident()
    clients = [client(asks) for _ in range(many)]
    at_once = resident()
    time.sleep(20)
    print(f"{many} connections, {name}: {(resident() - before) / many:.1f} KiB each, at first {(at_once - before) / many:.1f}")
    for connection in clients:
        connection.close()
    time.sleep(2)
EOF
    end "$pid"
}

# The board of a catalog of `benches/scale.sh`.
board() {
    bare_is_built
    [[ -d ${CATALOG_DIR:-} ]] || { echo "CATALOG_DIR must name a catalog that benches/scale.sh has made" >&2; exit 2; }
    local server folders=(--catalog "$CATALOG_DIR/channels" --payloads "$CATALOG_DIR/payloads" --state "$CATALOG_DIR/state")
    begin "http://127.0.0.1:$port/readyz" "$work/log" "$tidegate" serve "${folders[@]}" --listen "127.0.0.1:$port" \
        --workers 1 --promote off --access-log false
    server=$pid
    sleep 5
    echo "board: $(curl -s --compressed -o /dev/null -w '%{size_download}' "http://127.0.0.1:$port/") bytes compressed"
    answer board / 'accept-encoding: gzip'
    end "$server"
}

need wrk curl taskset
(($#)) || set -- answers log idle
for part; do
    case $part in
        answers | board | log | idle) "$part" ;;
        *) echo "usage: benches/http.sh [answers] [board] [log] [idle]" >&2; exit 2 ;;
    esac
done
