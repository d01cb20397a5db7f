#!/bin/sh
# The file map of ARCHITECTURE.md: one line per file, which is the first sentence of the file's own head comment, so that it
# is written once. `sh tests/lint/map.sh --write` renews the map; without argument it fails when the map is not what the
# files say. Files of data (corpora, lists of expected results, generated inputs) have a line per folder.
set -u
cd "$(dirname "$0")/../.." || exit 1

sentence() { # FILE: the first sentence of its head comment
    awk '
        NR == 1 && /^#!/ { next }
        /^#define _GNU_SOURCE/ && !open { next }
        !open && /^[ \t]*$/ { next }
        !open && /^\/\*/ { open = 1; c = 1; sub(/^\/\*[ \t]*/, "") }
        !open && /^#( |$)/ { open = 1; hash = 1 }
        !open && /^;;/ { open = 1; hash = 1 }
        !open { exit }
        { line = $0
          if (c) { ended = line ~ /\*\//; sub(/\*\/.*/, "", line); sub(/^[ \t]*\* ?/, "", line) }
          else if (line !~ /^(#|;;)/) exit
          else sub(/^(#+|;;) ?/, "", line)
          if (line ~ /^[ \t]*$/ && text) exit
          text = text (text ? " " : "") line
          if (match(text, /[^.]\.( |$)/)) { text = substr(text, 1, RSTART); exit }
          if (ended) exit }
        END { gsub(/[ \t]+/, " ", text); gsub(/\|/, "\\|", text); print text }' "$1"
}

# What belongs to the project; a tree without git (an archive) has nothing else in these folders.
files() {
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git ls-files --cached --others --exclude-standard "$@"
    else
        find "$@" -type f
    fi
}

map() {
    echo '| file | what it is |'
    echo '|---|---|'
    files core workers ipc demos tests .ci |
        grep -v -e '^tests/fuzz/corpus/' -e '^tests/spec/expected/' -e '^tests/bench/kernels/' -e '^tests/bench/programs/' |
        LC_ALL=C sort | while read -r file; do
        [ -e "$file" ] || continue
        text=$(sentence "$file")
        [ -n "$text" ] || echo "$file: no head comment that says what it is" >&2
        echo "| \`$file\` | $text |"
    done
}

begin='<!-- map: written by tests/lint/map.sh --write -->'
end='<!-- end of map -->'
new=$(mktemp) || exit 1
trap 'rm -f "$new"' EXIT
{
    awk -v stop="$begin" '{ print } $0 == stop { exit }' ARCHITECTURE.md
    map 2>"$new.errors"
    awk -v start="$end" '$0 == start { found = 1 } found' ARCHITECTURE.md
} >"$new"
status=0
if [ -s "$new.errors" ]; then cat "$new.errors"; status=1; fi
rm -f "$new.errors"
if [ "${1:-}" = --write ]; then
    cat "$new" >ARCHITECTURE.md
elif ! diff -u ARCHITECTURE.md "$new"; then
    echo "ARCHITECTURE.md: the map is not what the files say: sh tests/lint/map.sh --write"
    status=1
fi
exit $status
