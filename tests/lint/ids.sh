#!/bin/sh
# ids.sh [BUILD | --table]: what becomes of each statement about the JS API (tests/api/ids.txt): it has a test that is named
# by its id (test_I_13_..., several ids in one name count each), or README's "Differences" name it (I-12) and say why.
# --table prints id, tests, difference.
set -u
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

sed '/^#/d' tests/api/ids.txt >"$scratch/ids"
grep -ohE '^static void test_[A-Za-z0-9_]+' tests/api/*.c tests/unit/*.c workers/*.c 2>/dev/null | sed 's/.* //' | sort -u |
    awk '{ name = $0; rest = substr($0, 5)
           while (match(rest, /_[A-Z]+_[0-9][0-9](_|$)/)) {
             id = substr(rest, RSTART + 1, RLENGTH - 1); sub(/_$/, "", id); sub(/_/, "-", id)
             print id, name
             rest = substr(rest, RSTART + RLENGTH - 1)
           } }' >"$scratch/tests"
awk '/^## Differences/ { inside = 1; next } /^## / { inside = 0 }
     inside && /^- / { if (line) print line; line = $0; next }
     inside && /^  / { line = line $0; next }
     inside { if (line) print line; line = "" }
     END { if (line) print line }' README.md >"$scratch/lines"
awk '{ rest = $0; line = substr($0, 3); gsub(/\|/, "\\|", line)
       while (match(rest, /[A-Z]+-[0-9][0-9]/)) { print substr(rest, RSTART, RLENGTH), line; rest = substr(rest, RSTART + RLENGTH) } }' \
    "$scratch/lines" >"$scratch/differences"

table() {
    echo '| id | implemented | tests | difference |'
    echo '|---|---|---|---|'
    awk -v tests="$scratch/tests" -v differences="$scratch/differences" '
        BEGIN { while ((getline line <tests) > 0) { i = index(line, " "); id = substr(line, 1, i - 1)
                  names[id] = names[id] (names[id] ? "<br>" : "") "`" substr(line, i + 1) "`" }
                while ((getline line <differences) > 0) { i = index(line, " "); why[substr(line, 1, i - 1)] = substr(line, i + 1) } }
        { print "| " $1 " | " (names[$1] ? "yes" : why[$1] ? "no" : "open") " | " names[$1] " | " why[$1] " |" }' "$scratch/ids"
}
if [ "${1:-}" = --table ]; then
    table
    exit 0
fi

failed=0
passed=0
check() { # FILE-WITH-IDS COMPLAINT
    if [ -s "$1" ]; then
        sed "s|^|ids: $2: |" "$1"
        failed=$((failed + 1))
    else
        passed=$((passed + 1))
    fi
}
sort -u "$scratch/ids" >"$scratch/sorted"
cut -d' ' -f1 "$scratch/tests" "$scratch/differences" | sort -u >"$scratch/settled"
comm -23 "$scratch/sorted" "$scratch/settled" >"$scratch/found"
check "$scratch/found" "no test is named by it and README's differences do not name it"
reference=../shared/reference/js-api.md
if [ -f "$reference" ]; then
    grep -oE '\b(I|R|C|X|M|S|MEM|T|G|TAG|EX|CALL|SER|P)-[0-9]{2}\b' "$reference" | sort -u | comm -3 - "$scratch/sorted" >"$scratch/found"
    check "$scratch/found" "the reference and tests/api/ids.txt differ"
else
    echo "ids: $reference is not here: the list is not compared with it"
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
