#!/usr/bin/env bash
# Asks the real program about a store of 100,000 objects with a million references, and prints how
# long each answer takes: the best and the median, and the least processor time, in milliseconds.
# `gc --dry-run` is the whole mark, with what it prints.
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
    local took TIMEFORMAT='%3R %3U %3S'
    for _ in $(seq "$rounds"); do
        took+=$( { time "$target/release/orlop" --home "$work/home" "$@" >/dev/null 2>&1; } 2>&1 )$'\n'
    done
    sed '/^$/d' <<<"$took" | sort -n | awk -v what="$1" '
        { wall[NR] = $1; if (NR == 1 || $2 + $3 < cpu) cpu = $2 + $3 }
        END { printf "%-12s best %4.0f  median %4.0f  CPU %4.0f\n", what, 1000 * wall[1],
            1000 * wall[int((NR + 1) / 2)], 1000 * cpu }'
}
echo "load $(cut -d' ' -f1 /proc/loadavg)"
ask why-live "$third"
ask why-depends "$top" "$third"
ask du
ask which "$work/home/store/$third/file"
ask list
ask gc --dry-run
