#!/usr/bin/env bash
# Measures the store against Nix, interleaved, and prints ratios (medians). Needs Debian's nix-bin,
# used on a store of its own without a daemon. `durable` is not about Nix: it is the add with
# barriers against the same without (needs strace).
# Usage: tests/bench/nix.sh [ROUNDS]
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-5}
command -v nix-store >/dev/null || { echo "nix-bin is not installed: skipped"; exit 0; }
cargo build -q --release -p orlop-store --example store-bench
cargo build -q --release -p orlop
target=${CARGO_TARGET_DIR:-target}
bench=$(readlink -f "$target/release/examples/store-bench")
orlop=$(readlink -f "$target/release/orlop")
work=$(mktemp -d)
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT

# Nix, shut off from any configuration, under one folder.
nix_env() {
    env -i PATH="$PATH" HOME="$work" NIX_STORE_DIR="$work/nix$1/store" NIX_STATE_DIR="$work/nix$1/var" \
        NIX_LOG_DIR="$work/nix$1/log" NIX_CONF_DIR="$work/conf" "${@:2}"
}
mkdir "$work/conf"
printf 'build-users-group =\nsandbox = false\nsubstituters =\nexperimental-features = nix-command\n' \
    >"$work/conf/nix.conf"

# 1,000 small trees, one of 20,000 files, 50 apps.
for number in $(seq 1000); do
    mkdir -p "$work/small/path-$number/share"
    echo "program $number" >"$work/small/path-$number/program"
    head -c 3000 /dev/zero | tr '\0' "$((number % 10))" >"$work/small/path-$number/share/data"
    echo "$number" >>"$work/small/path-$number/share/data"
done
for folder in $(seq 200); do
    mkdir -p "$work/large/tree/$folder"
    for file in $(seq 100); do echo "$folder $file" >"$work/large/tree/$folder/$file"; done
done
for number in $(seq 50); do
    mkdir -p "$work/apps/app$number/bin"
    printf '#!/bin/sh\necho %s\n' "$number" >"$work/apps/app$number/bin/app$number"
    chmod +x "$work/apps/app$number/bin/app$number"
done

declare -A wall user
# measure NAME COMMAND…: adds milliseconds to the lists of NAME.
measure() {
    local name=$1; shift
    local TIMEFORMAT='%R %U'
    local result
    result=$( { time "$@" >/dev/null 2>>"$work/said"; } 2>&1 )
    wall[$name]+=" ${result% *}"
    user[$name]+=" ${result#* }"
}
for round in $(seq "$rounds"); do
    sync
    measure add.nix nix_env "$round" nix-store --add "$work"/small/*
    sync
    measure add.orlop "$bench" "$work/orlop$round" add "$work/small"
    measure gc.nix nix_env "$round" nix-store --gc
    measure gc.orlop "$bench" "$work/orlop$round" gc
    nix_env "$round" nix-store --add "$work/large/tree" >/dev/null
    "$bench" "$work/orlop$round" add-tree "$work/large/tree" >/dev/null
    measure again.nix nix_env "$round" nix-store --add "$work/large/tree"
    measure again.orlop "$bench" "$work/orlop$round" add-tree "$work/large/tree"
    measure verify.nix nix_env "$round" nix-store --verify --check-contents
    measure verify.orlop "$bench" "$work/orlop$round" verify
    mapfile -t apps < <(nix_env "$round" nix-store --add "$work"/apps/*)
    "$bench" "$work/orlop$round" add "$work/apps" >/dev/null
    profile="$work/nix$round/profile"
    nix_env "$round" nix-env -p "$profile" -i "${apps[@]:0:49}" >/dev/null 2>>"$work/said"
    "$bench" "$work/orlop$round" commit app50 >/dev/null
    measure switch.nix nix_env "$round" nix-env -p "$profile" -i "${apps[49]}"
    measure switch.orlop "$bench" "$work/orlop$round" commit none
    measure rollback.nix nix_env "$round" nix-env -p "$profile" --rollback
    measure rollback.orlop "$orlop" --home "$work/orlop$round" rollback
    # The same add, with and without barriers: `strace` stops the program only at these calls.
    barriers=(strace -f -qq --seccomp-bpf -o /dev/null -e trace=syncfs,fsync,fdatasync)
    sync
    measure durable.nix "${barriers[@]}" -e inject=syncfs,fsync,fdatasync:retval=0 \
        "$bench" "$work/fast$round" add "$work/small"
    sync
    measure durable.orlop "${barriers[@]}" "$bench" "$work/durable$round" add "$work/small"
done

median() { tr ' ' '\n' <<<"$1" | sed '/^$/d' | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
printf '%-10s %10s %10s %8s %10s\n' step 'nix (s)' 'orlop (s)' wall 'user CPU'
for step in add again verify gc switch rollback durable; do
    nix=$(median "${wall[$step.nix]}") orlop=$(median "${wall[$step.orlop]}")
    nix_user=$(median "${user[$step.nix]}") orlop_user=$(median "${user[$step.orlop]}")
    awk -v s="$step" -v n="$nix" -v o="$orlop" -v nu="$nix_user" -v ou="$orlop_user" \
        'BEGIN { printf "%-10s %10.3f %10.3f %8.2f %10.2f\n", s, n, o, o / n, nu ? ou / nu : 0 }'
done
