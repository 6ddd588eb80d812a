#!/usr/bin/env bash
# Measures the store against Nix, step by step in turn, and prints ratios: of the shortest times, of
# the medians, and of processor time (user, and user with system, of the run that took least). Needs
# Debian's nix-bin, used on a store of its own without a daemon. `durable` is not about Nix: it is
# the add with barriers against the same without (needs strace); `rm` and `rm-cores`, beside `gc`, are
# what `rm -rf` needs for the same trees, once and on all cores, which is what the kernel needs.
# Usage: tests/bench/nix.sh [--on FOLDER | --ext4] [ROUNDS [STEP…]]
#   --on FOLDER  where both stores are [default: a folder for temporary files]
#   --ext4       on an ext4 of their own in memory: what others do to the disk does not count (root)
set -euo pipefail
cd "$(dirname "$0")/../.."
place=${TMPDIR:-/tmp} image=
case ${1:-} in
--on) place=$2; shift 2 ;;
--ext4) image=$(mktemp /dev/shm/orlop-bench.XXXXXX); shift ;;
esac
rounds=${1:-5}
shift $(($# > 0))
steps=("$@")
[ $# -gt 0 ] || steps=(add again verify gc switch rollback durable)
command -v nix-store >/dev/null || { echo "nix-bin is not installed: skipped"; exit 0; }
cargo build -q --release -p orlop-store --example store-bench
cargo build -q --release -p orlop
target=${CARGO_TARGET_DIR:-target}
time=$PWD/tests/bench/time.py
bench=$(readlink -f "$target/release/examples/store-bench")
orlop=$(readlink -f "$target/release/orlop")
work=$(mktemp -d -p "$place")
clean() {
    chmod -R u+w "$work" 2>/dev/null || true
    if [ -n "$image" ]; then umount "$work"; rm -f "$image"; fi
    rm -rf "$work"
}
trap clean EXIT
if [ -n "$image" ]; then
    truncate -s 4G "$image"
    mkfs.ext4 -q -F "$image"
    mount -o loop "$image" "$work"
fi

# Nix, shut off from any configuration, under one folder.
nix_env() {
    env -i PATH="$PATH" HOME="$work" NIX_STORE_DIR="$work/nix/store" NIX_STATE_DIR="$work/nix/var" \
        NIX_LOG_DIR="$work/nix/log" NIX_CONF_DIR="$work/conf" "$@"
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

declare -A times
# measure NAME COMMAND…: adds wall, user and system time, in microseconds, to the list of NAME.
measure() {
    local name=$1; shift
    times[$name]+="$("$time" "$@" 2>>"$work/said")"$'\n'
}
# The same for a program of Nix.
measure_nix() {
    local name=$1; shift
    times[$name]+="$(nix_env "$time" "$@" 2>>"$work/said")"$'\n'
}
quietly() { "$@" >/dev/null 2>>"$work/said"; }
settled() { sync -f "$work"; }

step_add() {
    settled; measure_nix add.nix nix-store --add "$work"/small/*
    settled; measure add.orlop "$bench" "$work/orlop" add "$work/small"
}
step_gc() {
    quietly nix_env nix-store --add "$work"/small/*
    quietly "$bench" "$work/orlop" add "$work/small"
    settled; measure_nix gc.nix nix-store --gc
    settled; measure gc.orlop "$bench" "$work/orlop" gc
    cp -r "$work/small" "$work/copy"
    settled; measure rm.orlop rm -rf "$work/copy"
    cp -r "$work/small" "$work/copy"
    settled; measure rm-cores.orlop bash -c "$on_all_cores" "$work/copy"
}
on_all_cores='printf "%s\0" "$0"/* | xargs -0 -n 64 -P "$(nproc)" rm -rf; rmdir "$0"'
step_again() {
    quietly nix_env nix-store --add "$work/large/tree"
    quietly "$bench" "$work/orlop" add-tree "$work/large/tree"
    measure_nix again.nix nix-store --add "$work/large/tree"
    measure again.orlop "$bench" "$work/orlop" add-tree "$work/large/tree"
}
step_verify() {
    quietly nix_env nix-store --add "$work/large/tree"
    quietly "$bench" "$work/orlop" add-tree "$work/large/tree"
    measure_nix verify.nix nix-store --verify --check-contents
    measure verify.orlop "$bench" "$work/orlop" verify
}
profile() {
    mapfile -t apps < <(nix_env nix-store --add $(seq -f "$work/apps/app%g" 50))
    quietly "$bench" "$work/orlop" add "$work/apps"
    mapfile -t objects < <(ls "$work/orlop/store" | sort -t - -k 2 -V)
    quietly nix_env nix-env -p "$work/nix/profile" -i "${apps[@]:0:40}"
    quietly "$bench" "$work/orlop" commit "${objects[@]:0:40}"
}
# One more app, ten times.
step_switch() {
    profile
    for number in $(seq 41 50); do
        settled; measure_nix switch.nix nix-env -p "$work/nix/profile" -i "${apps[number - 1]}"
        settled; measure switch.orlop "$bench" "$work/orlop" commit "${objects[number - 1]}"
    done
}
# Back again, ten times, by the program itself.
step_rollback() {
    profile
    for number in $(seq 41 50); do
        quietly nix_env nix-env -p "$work/nix/profile" -i "${apps[number - 1]}"
        quietly "$bench" "$work/orlop" commit "${objects[number - 1]}"
    done
    for number in $(seq 10); do
        settled; measure_nix rollback.nix nix-env -p "$work/nix/profile" --rollback
        settled; measure rollback.orlop "$orlop" --home "$work/orlop" rollback
    done
}
# The same add, with and without barriers: `strace` stops the program only at these calls.
step_durable() {
    local barriers=(strace -f -qq --seccomp-bpf -o /dev/null -e trace=syncfs,fsync,fdatasync)
    settled
    measure durable.nix "${barriers[@]}" -e inject=syncfs,fsync,fdatasync:retval=0 \
        "$bench" "$work/orlop" add "$work/small"
    chmod -R u+w "$work/orlop"; rm -rf "$work/orlop"
    settled
    measure durable.orlop "${barriers[@]}" "$bench" "$work/orlop" add "$work/small"
}

for round in $(seq "$rounds"); do
    for step in "${steps[@]}"; do
        "step_$step"
        chmod -R u+w "$work/orlop" "$work/nix" 2>/dev/null || true
        rm -rf "$work/orlop" "$work/nix"
    done
done

# Of a list of times: the shortest, the median, and the least user and processor time.
summary() {
    sed '/^$/d' <<<"$1" | sort -n | awk '
        { wall[NR] = $1; if (NR == 1 || $2 < user) user = $2; if (NR == 1 || $2 + $3 < all) all = $2 + $3 }
        END { print wall[1], wall[int((NR + 1) / 2)], user, all }'
}
echo "load $(cut -d' ' -f1 /proc/loadavg), $(stat -f -c %T "$work")"
printf '%-9s %9s %10s   %s\n' step 'nix (ms)' 'orlop (ms)' 'ratio: shortest, median, user CPU, all CPU'
for step in "${steps[@]}"; do
    if [ "$step" = gc ]; then
        for other in rm rm-cores; do
            echo "$other $(summary "${times[gc.nix]}") $(summary "${times[$other.orlop]}")"
        done
    fi
    echo "$step $(summary "${times[$step.nix]}") $(summary "${times[$step.orlop]}")"
done | awk '
    function of(a, b) { return b > 0 ? sprintf("%.2f", a / b) : "-" }
    { printf "%-9s %9.1f %10.1f   %8s %8s %8s %8s\n", $1, $2 / 1000, $6 / 1000, of($6, $2), of($7, $3), of($8, $4), of($9, $5) }'
