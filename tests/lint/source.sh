#!/bin/sh
# What a line of source may not say, and how long a file may be.
#   banned calls     sprintf and friends anywhere; in the library also what prints, ends the process, reads the
#                    environment, or takes the C heap past core/base/alloc.c; sleeping in tests
#   left-over marks  T O D O and friends
#   length           800 lines; tests/lint/long-files.txt holds the exceptions, which may shrink and not grow
#   format           clang-format, when it is there
set -u
failed=0
passed=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

check() { # NAME FILE-WITH-COMPLAINTS
    if [ -s "$2" ]; then
        failed=$((failed + 1))
        sed "s|^|source: $1: |" "$2"
    else
        passed=$((passed + 1))
    fi
}

# Source without comments and string literals, line numbers kept: FILE:LINE:TEXT.
code() {
    for file in "$@"; do
        awk -v file="$file" '
            { line = $0; out = ""
              while (line != "") {
                if (comment) { i = index(line, "*/"); if (!i) { line = ""; break } line = substr(line, i + 2); comment = 0; continue }
                if (match(line, /"([^"\\]|\\.)*"|\047([^\047\\]|\\.)*\047|\/\*|\/\//) == 0) { out = out line; break }
                out = out substr(line, 1, RSTART - 1); token = substr(line, RSTART, RLENGTH)
                line = substr(line, RSTART + RLENGTH)
                if (token == "//") break
                if (token == "/*") comment = 1; else out = out "\"\""
              }
              if (out != "") print file ":" NR ":" out }' "$file"
    done
}

library=$(find core ipc workers -name '*.[ch]' -o -name '*.inc' -path 'core/*')
others=$(find demos tests -name '*.[ch]')
code $library >"$scratch/library"
code $others >"$scratch/others"

banned() { # NAME FILE REGEX [EXCEPTION-PATH-REGEX]
    grep -E "(^|[^A-Za-z0-9_.>])($3)[[:space:]]*\(" "$2" | grep -vE "^(${4:-none}):" >"$scratch/found"
    check "$1" "$scratch/found"
}
banned "banned call" "$scratch/library" 'sprintf|vsprintf|strcpy|strcat|strncpy|strncat|gets|strtok|atoi|atol|alloca|setjmp|longjmp|rand|srand'
banned "banned call" "$scratch/others" 'sprintf|vsprintf|strcpy|strcat|gets|strtok|atoi|atol|alloca'
banned "the library does not print" "$scratch/library" 'printf|fprintf|vprintf|vfprintf|puts|fputs|putchar|perror'
banned "the library does not end the process" "$scratch/library" 'abort|exit|_exit|_Exit|quick_exit|assert|atexit|signal'
banned "the library does not read the environment" "$scratch/library" 'getenv|secure_getenv|setenv|putenv'
banned "the heap is base/alloc.c" "$scratch/library" 'malloc|calloc|realloc|free|strdup|strndup|aligned_alloc|posix_memalign' 'core/base/alloc\.c'
banned "sleeping is no synchronisation" "$scratch/others" 'sleep|usleep|nanosleep|thrd_sleep|nng_msleep'

mark='T''ODO|F''IXME|X''XX|H''ACK'
grep -rnE "\\b($mark)\\b" core ipc workers demos tests Makefile README.md ARCHITECTURE.md .ci 2>/dev/null >"$scratch/found"
check "left-over mark" "$scratch/found"

# Lengths: the ratchet list holds "path lines" of files that may be longer, up to that.
for file in $library $others; do
    lines=$(wc -l <"$file")
    most=$(awk -v f="$file" '$1 == f { print $2 }' tests/lint/long-files.txt)
    if [ "$lines" -gt "${most:-800}" ]; then echo "$file has $lines lines, at most ${most:-800}"; fi
    if [ -n "$most" ] && [ "$lines" -le 800 ]; then echo "$file is short now: remove it from tests/lint/long-files.txt"; fi
done >"$scratch/found"
awk '!/^#/ { print $1 }' tests/lint/long-files.txt | while read -r file; do
    [ -f "$file" ] || echo "$file is in tests/lint/long-files.txt and does not exist"
done >>"$scratch/found"
check "length" "$scratch/found"

grep -rnP '[ \t]+$|\t' --include='*.[ch]' --include='*.def' core ipc workers demos tests >"$scratch/found" 2>/dev/null
check "tab, or blanks at the end of a line" "$scratch/found"

if command -v clang-format >/dev/null 2>&1; then
    make -s --no-print-directory format-check >"$scratch/format" 2>&1
    grep -E 'error:' "$scratch/format" | sed 's/:.*//' | sort | uniq -c | awk '{ print $2 ": " $1 " places" }' >"$scratch/found"
    check "format (make format mends it)" "$scratch/found"
else
    echo "source: no clang-format here: the format is not checked"
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
