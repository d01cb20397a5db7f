#!/bin/sh
# What must not compile does not: the cases of tests/lint/contract.c, wrong types with each compiler that is there, wrong
# threads with clang's thread-safety analysis.
set -u
failed=0
passed=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
file=tests/lint/contract.c
flags='-std=c11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -Icore/include'

bad() {
    echo "contract: $*"
    failed=$((failed + 1))
}
for compiler in gcc clang; do
    if ! command -v $compiler >/dev/null 2>&1; then
        echo "contract: no $compiler here: skipped"
        continue
    fi
    analysis=''
    if [ $compiler = clang ]; then analysis='-DWAG_THREAD_SAFETY -Wthread-safety'; fi
    # shellcheck disable=SC2086
    if $compiler $flags $analysis $file; then passed=$((passed + 1)); else bad "$file does not compile ($compiler)"; fi
    sed -nE 's|^#(el)?if CASE == ([0-9]+) /\* (thread\|type): (.*) \*/$|\2 \3 \4|p' $file >"$scratch/cases"
    if [ "$(wc -l <"$scratch/cases")" -lt 9 ]; then bad "where are the cases of $file?"; fi
    while read -r number kind complaint; do
        if [ "$kind" = thread ] && [ $compiler = gcc ]; then continue; fi
        # shellcheck disable=SC2086
        if $compiler $flags $analysis -DCASE="$number" $file >"$scratch/said" 2>&1; then
            bad "case $number compiles ($compiler)"
        elif ! grep -qE "$complaint" "$scratch/said"; then
            cat "$scratch/said"
            bad "case $number does not compile, for another reason ($compiler)"
        else
            passed=$((passed + 1))
        fi
    done <"$scratch/cases"
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
