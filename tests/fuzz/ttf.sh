#!/bin/sh
# Modules from binaryen's own fuzzer (wasm-opt --translate-to-fuzz) through every tier, by the driver of fuzz_diff.
#   tests/fuzz/ttf.sh [-n SEEDS] [-s FIRST] PROGRAM       PROGRAM: replay_diff
# A seed is a number; its module is the same on every run with the same binaryen. The last line is
# "N passed, N failed[, N skipped]"; a module that differs stays in ttf-SEED.wasm.
set -u
seeds=32 first=1
while [ $# -gt 1 ]; do
    case $1 in
    -n) seeds=$2 ;;
    -s) first=$2 ;;
    *) break ;;
    esac
    shift 2
done
if ! command -v wasm-opt >/dev/null; then
    echo "ttf: no wasm-opt (Debian package binaryen): not run"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
passed=0 failed=0 refused=0 seed=$first
program=$1
case $program in
/*) ;;
*) program=$(pwd)/$program ;;
esac
while [ "$seed" -lt $((first + seeds)) ]; do
    awk -v seed="$seed" 'BEGIN { srand(seed); for (i = 0; i < 15000; i++) printf "%c", 32 + int(rand() * 95) }' \
        >"$scratch/input"
    # Vectors in every second one. What the native tier has no code for stays off; so do reference types, whose rules were others in old binaryens.
    # De-NaN: which NaN an op makes is not the tiers' contract.
    simd=--disable-simd
    if [ $((seed % 2)) = 0 ]; then simd=--enable-simd; fi
    if wasm-opt --translate-to-fuzz "$scratch/input" -o "$scratch/module.wasm" --enable-sign-ext --enable-mutable-globals \
        --enable-nontrapping-float-to-int --enable-bulk-memory --enable-multivalue --enable-tail-call \
        --disable-reference-types $simd --disable-threads --disable-exception-handling --disable-gc --denan \
        >"$scratch/log" 2>&1; then
        if (cd "$scratch" && "$program" module.wasm) >"$scratch/log" 2>&1; then
            if grep -q '^interp: ' "$scratch/log"; then # not valid to us: nothing was compared
                echo "ttf: seed $seed: $(grep '^interp: ' "$scratch/log")"
                refused=$((refused + 1)) seed=$((seed + 1))
                continue
            fi
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            cp "$scratch/module.wasm" "ttf-$seed.wasm"
            echo "ttf: seed $seed:"
            cat "$scratch/log"
        fi
    else
        refused=$((refused + 1))
    fi
    seed=$((seed + 1))
done
# A generator that makes nothing tests nothing.
if [ "$passed" = 0 ] && [ "$failed" = 0 ]; then
    echo "ttf: wasm-opt made none of $refused modules"
    failed=1
fi
echo "$passed passed, $failed failed, $refused skipped"
[ "$failed" = 0 ]
