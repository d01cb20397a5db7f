#!/bin/sh
# cxx.sh BUILD: C++ programs can use the library. tests/lint/cxx.cc is built with each C++ compiler that is there, all
# warnings on, linked and run; and every macro of the headers that makes a value is expanded.
set -u
build=${1:-build/release}
failed=0
passed=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
flags='-std=c++17 -Wall -Wextra -Wpedantic -Werror -g -pthread -Icore/include'

{
    echo '#include <waggle.h>'
    echo 'struct anything { template <typename T> operator T() const { return T(); } };'
    echo 'void expand(void);'
    echo 'void expand(void)'
    echo '{'
    sed -nE 's/^#define (WAG_[A-Z0-9_]+)\(x\) (WAG_(VAL|VALUE)_MAKE|\(\(wag_val).*/    (void)\1(anything());/p
        s/^#define (WAG_[A-Z0-9_]+) WAG_VALUE_MAKE.*/    (void)\1;/p' core/include/waggle/*.h
    echo '}'
} >"$scratch/macros.cc"
if [ "$(grep -c 'void)WAG' "$scratch/macros.cc")" -lt 20 ]; then
    echo "cxx: where are the macros that make values?"
    failed=$((failed + 1))
fi

for compiler in g++ clang++; do
    if ! command -v $compiler >/dev/null 2>&1; then
        echo "cxx: no $compiler here: skipped"
        continue
    fi
    # shellcheck disable=SC2086
    if $compiler $flags -fsyntax-only "$scratch/macros.cc"; then
        passed=$((passed + 1))
    else
        echo "cxx: a macro that makes a value is no C++ ($compiler)"
        failed=$((failed + 1))
    fi
    # shellcheck disable=SC2086
    if ! $compiler $flags tests/lint/cxx.cc "$build/libwaggle.a" -o "$scratch/program" -lnng -lmbedcrypto -lm; then
        echo "cxx: tests/lint/cxx.cc does not build ($compiler)"
        failed=$((failed + 1))
    elif ! timeout 60 "$scratch/program" >"$scratch/said" 2>&1; then
        cat "$scratch/said"
        echo "cxx: tests/lint/cxx.cc fails ($compiler)"
        failed=$((failed + 1))
    else
        passed=$((passed + $(grep -c '^yes' "$scratch/said")))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
