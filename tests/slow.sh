#!/usr/bin/env bash
# Runs all tests as on a slow machine: pinned to one core, beside two busy loops on it. Each run must be green; its seconds are printed.
# usage: tests/slow.sh [RUNS]; CORE=n picks the core, else it is the last one.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-10}
core=${CORE:-$(taskset -cp $$ | sed 's/.*[ ,-]//')}
log=$(mktemp)
burners=()
finish() {
    kill "${burners[@]}" 2>/dev/null || true
    rm -f "$log"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# What is built beforehand is not built on the slow machine.
cargo test --tests --no-run
for _ in 1 2; do
    # It ends with this script, however that ends.
    taskset -c "$core" bash -c 'while kill -0 "$1"; do for ((i = 0; i < 100000; i++)); do :; done; done' burner $$ 2>/dev/null &
    burners+=($!)
done

red=0
for ((run = 1; run <= runs; run++)); do
    start=$SECONDS
    outcome=green
    if ! taskset -c "$core" cargo test --quiet --tests --no-fail-fast >"$log" 2>&1; then
        outcome=red
        red=$((red + 1))
        cat "$log"
    fi
    printf 'run %d of %d: %s after %d s\n' "$run" "$runs" "$outcome" $((SECONDS - start))
done
exit $((red > 0))
