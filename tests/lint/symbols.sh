#!/bin/sh
# symbols.sh BUILD: the shared library exports wag_* and what wasm.h declares, and nothing else; every global symbol of the
# static one begins with wag_, wagi_ or wasm_; every function of the public headers is defined.
set -u
build=${1:-build/release}
failed=0
passed=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

check() { # NAME FILE-WITH-COMPLAINTS
    if [ -s "$2" ]; then
        failed=$((failed + 1))
        sed "s|^|symbols: $1: |" "$2"
    else
        passed=$((passed + 1))
    fi
}

shared=$(ls "$build"/libwaggle.so.*.*.* 2>/dev/null | tail -n 1)
if [ -z "$shared" ] || [ ! -f "$build/libwaggle.a" ]; then
    echo "symbols: the libraries are not built in $build"
    echo "0 passed, 1 failed"
    exit 1
fi
nm -D --defined-only "$shared" | awk '{ print $NF }' | sort -u >"$scratch/exported"
grep -vE '^(wag|wasm)_' "$scratch/exported" >"$scratch/found"
check "exported and neither wag_* nor wasm_*" "$scratch/found"

nm -g --defined-only "$build/libwaggle.a" 2>/dev/null | awk 'NF == 3 { print $3 }' | grep -vE '^(wag|wagi|wasm)_' | sort -u \
    >"$scratch/found"
check "global and neither wag_* nor wagi_* nor wasm_*" "$scratch/found"

# Public names as the compiler sees them, macros expanded.
printf '#include "waggle.h"\n#include "waggle/wasm_ext.h"\n' | ${CC:-gcc} -std=c11 -Icore/include -E -P - | tr '\n' ' ' | tr ';{}' '\n\n\n' |
    grep 'visibility' | sed 's/__attribute__ *((format[^)]*))*//' | grep -oE '\b(wag|wasm)_[a-z0-9_]+ *\(' | tr -d ' (' | sort -u \
    >"$scratch/declared"
[ -s "$scratch/declared" ] || echo "no declarations found" >>"$scratch/declared"
comm -23 "$scratch/declared" "$scratch/exported" >"$scratch/found"
check "declared and not defined" "$scratch/found"
comm -13 "$scratch/declared" "$scratch/exported" >"$scratch/found"
check "exported and in no public header" "$scratch/found"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
