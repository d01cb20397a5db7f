#!/bin/sh
# Machine instructions that compiling takes for each byte of code, under callgrind: a figure that the load of the machine
# does not touch. instructions.sh BUILD [MODULE.wasm...], by default BUILD/modules or the benchmark's own programs.
# Two runs of each, with one and with two compilations; the difference is one compilation, in whatever threads.
# TIER: default or interp.
set -u
build=${1:-build/release}
if [ $# -gt 0 ]; then shift; fi
if ! command -v valgrind >/dev/null 2>&1; then
    echo "instructions: there is no valgrind here" >&2
    exit 1
fi
if [ $# = 0 ] && ls "$build"/modules/*.wasm >/dev/null 2>&1; then set -- "$build"/modules/*.wasm; fi
if [ $# = 0 ]; then set -- "$build"/tests/bench/programs/*.wasm; fi
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

count() { # ROUNDS FILE: prints how many instructions ran; what the program said is in $scratch/said
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$build/tests/bench/bench_compile" --tier "${TIER:-default}" \
        --rounds "$1" --one "$2" >"$scratch/said" 2>"$scratch/valgrind" &&
        sed -n 's/.*Collected *: *//p' "$scratch/valgrind"
}

printf '%-24s  %12s  %12s\n' instructions 'code kB' 'per byte'
for file in "$@"; do
    if ! once=$(count 1 "$file") || ! twice=$(count 2 "$file") || [ -z "$once" ] || [ -z "$twice" ]; then
        echo "instructions: $file: $(grep -v '^==' "$scratch/valgrind" | head -n 1)" >&2
        exit 1
    fi
    awk -v once="$once" -v twice="$twice" -v name="$(basename "$file")" \
        '{ printf "%-24s  %12.0f  %12.1f\n", name, $1 / 1000, (twice - once) / $1 }' "$scratch/said"
done
