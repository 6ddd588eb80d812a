#!/usr/bin/env bash
# How long one more app takes in a profile that has many: it is removed and installed again, by one
# program or by several in turn, without the network. The first round is not counted: everything is
# compiled and linked then. Prints the wall, user and system time of each install in microseconds.
# Usage: [ROUNDS=3] tests/bench/one-more.sh HOME PROFILE APP ORLOP…
set -euo pipefail
time=$(dirname "$0")/time.py
home=$1 profile=$2 app=$3
shift 3
for round in $(seq 0 "${ROUNDS:-3}"); do
    for orlop in "$@"; do
        "$orlop" --home "$home" -p "$profile" remove "$app" >/dev/null 2>&1
        taken=$("$time" "$orlop" --home "$home" -p "$profile" install "$app" --offline 2>/dev/null)
        [ "$round" = 0 ] || echo "$orlop $taken"
    done
done
