# What the checks in this folder share: a scratch folder, servers on free ports, and how they say what they found. Every check
# begins with `source "$(dirname "$0")/scene.sh"` and ends with `finish`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

tidegate=$(realpath "${TIDEGATE:-target/debug/tidegate}")
PATH=$PATH:/usr/sbin
# Nothing of the caller's own deployment.
for variable in "${!TIDEGATE_@}" "${!TIDEGATE@}"; do unset "$variable"; done

work=$(mktemp -d)
pids=()
failures=0
trap 'for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; wait; rm -rf "$work"' EXIT

# Says whether a command succeeds, and shows what it printed if not: check WHAT COMMAND…
check() {
    local what=$1
    shift
    if "$@" >"$work/check.out" 2>&1; then
        echo "ok      $what"
    else
        failures=$((failures + 1))
        echo "FAILED  $what"
        printf '        %s\n' "$*"
        tail -n 20 "$work/check.out" | sed 's/^/        | /'
    fi
}

# Says whether two texts are the same: same WHAT EXPECTED FOUND
same() { check "$1" is_same "$2" "$3"; }
is_same() {
    [[ $1 == "$2" ]] || {
        printf 'expected: %s\nfound:    %s\n' "$1" "$2"
        return 1
    }
}

# Whether a file does not have a text, taken literally: is_missing TEXT FILE
is_missing() { ! grep -F -- "$1" "$2"; }

finish() { ((failures == 0)); }

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Starts a command in the background, with its output in $work/NAME.out and $work/NAME.log, and sets `pid`:
# start NAME COMMAND…
start() {
    local name=$1
    shift
    "$@" >"$work/$name.out" 2>"$work/$name.log" &
    pid=$!
    pids+=("$pid")
}

# Waits until a command succeeds: until_so WHAT COMMAND…
until_so() {
    local what=$1
    shift
    for ((turn = 0; turn < 300; turn++)); do
        if "$@" >"$work/until.out" 2>&1; then return 0; fi
        sleep 0.1
    done
    echo "FAILED  $what, after 30 s"
    tail -n 5 "$work/until.out" "$work"/*.log | sed 's/^/        | /'
    exit 1
}

# Starts a server with the demo's catalog, and sets `demo` to its address: serve_demo NAME ARGUMENTS…
serve_demo() {
    local name=$1
    shift
    start "$name" "$tidegate" serve --demo --state "$work/$name" --listen 127.0.0.1:0 "$@"
    until_so "the server starts" grep -q '^listening on' "$work/$name.out"
    demo=$(sed -n '1s/^listening on //p' "$work/$name.out")
    until_so "the server is ready" curl -sSf "$demo/readyz"
}
