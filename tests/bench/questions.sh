#!/usr/bin/env bash
# Asks the real program about a store of 100,000 objects with a million references, and prints how
# long each answer takes: the best and the median, in milliseconds.
# Usage: tests/bench/questions.sh [ROUNDS]
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-15}
cargo build -q --release -p orlop-store --example store-bench
cargo build -q --release -p orlop
target=$(readlink -f "${CARGO_TARGET_DIR:-target}")
# In memory: so many folders would take half a gigabyte on a disk.
work=$(mktemp -d -p /dev/shm)
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
made=$("$target/release/examples/store-bench" "$work/home" large)
read -r top third <<<"$made"

ask() {
    local took
    for _ in $(seq "$rounds"); do
        local began=$EPOCHREALTIME
        "$target/release/orlop" --home "$work/home" "$@" >/dev/null
        took+="$(( (${EPOCHREALTIME/./} - ${began/./}) )) "
    done
    tr ' ' '\n' <<<"$took" | sed '/^$/d' | sort -n |
        awk -v what="$1" '{ v[NR] = $1 } END { printf "%-12s best %6.1f  median %6.1f\n", what, v[1] / 1000, v[int((NR + 1) / 2)] / 1000 }'
}
ask why-live "$third"
ask why-depends "$top" "$third"
ask du
ask which "$work/home/store/$third/file"
ask list
