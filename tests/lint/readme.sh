#!/bin/sh
# readme.sh BUILD: the examples of README.md work. A block that begins with a comment that names a file is one:
#   ```c                                   ```wat
#   /* readme: primary.c */                ;; readme: add.wat
# Each .wat becomes a .wasm beside the programs; each .c is a program: built against the public headers with all warnings
# as errors, run in that folder. An expected output may follow in a block that begins with "# readme: primary.out".
set -u
build=${1:-build/release}
folder=$build/readme
failed=0
passed=0
top=$PWD
case $build in /*) ;; *) build=$top/$build folder=$top/$folder ;; esac
rm -rf "$folder"
mkdir -p "$folder"

awk -v folder="$folder" '
    /^```/ { if (inside) { inside = 0; if (out) close(out); out = "" } else { inside = 1; first = 1 } next }
    inside && first { first = 0
        if (match($0, /readme: [A-Za-z0-9_.-]+/)) { out = folder "/" substr($0, RSTART + 8, RLENGTH - 8)
            if ($0 ~ /^#/) { printf "" >out; next } } else out = "" }
    inside && out { print >out }' README.md

for source in "$folder"/*.wat; do
    [ -f "$source" ] || continue
    if wat2wasm "$source" -o "${source%.wat}.wasm"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
count=0
for source in "$folder"/*.c; do
    [ -f "$source" ] || continue
    count=$((count + 1))
    program=${source%.c}
    name=${program##*/}
    if ! ${CC:-gcc} -std=c11 -Wall -Wextra -Werror -g -pthread -Icore/include "$source" "$build/libwaggle.a" -o "$program" \
        -lnng -lmbedcrypto -lm; then
        echo "readme: $name.c does not build"
    elif ! (cd "$folder" && timeout 60 "$program" >"$program.got" 2>&1); then
        cat "$program.got"
        echo "readme: $name fails"
    elif [ -f "$program.out" ] && ! diff -u "$program.out" "$program.got"; then
        echo "readme: $name says something else"
    else
        passed=$((passed + 1))
        continue
    fi
    failed=$((failed + 1))
done
if [ "$count" = 0 ]; then
    echo "readme: README.md has no example"
    failed=$((failed + 1))
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
