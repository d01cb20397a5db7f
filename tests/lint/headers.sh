#!/bin/sh
# Every header stands on its own and may be included twice: public ones in C and C++ (with each compiler that is there),
# internal ones in C. The macros of the public headers are expanded by tests/api.
set -u
failed=0
passed=0
flags='-Wall -Wextra -Wpedantic -Werror -fsyntax-only'

try() { # HEADER COMPILER FLAGS...
    header=$1
    shift
    if printf '#include "%s"\n#include "%s"\nextern int lint_unit;\n' "$header" "$header" | "$@" $flags - 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "headers: $header does not stand on its own: $*"
    fi
}

for path in core/include/*.h core/include/waggle/*.h; do
    header=${path#core/include/}
    for compiler in gcc clang; do
        if command -v $compiler >/dev/null 2>&1; then try "$header" $compiler -x c -std=c11 -Icore/include; fi
    done
    for compiler in g++ clang++; do
        if command -v $compiler >/dev/null 2>&1; then try "$header" $compiler -x c++ -std=c++17 -Icore/include; fi
    done
done
for path in $(find core ipc workers -name '*.h' ! -path 'core/include/*'); do
    try "${path#core/}" ${CC:-gcc} -x c -std=c11 -Icore/include -Icore -I. -Wno-unused-function
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
