#!/bin/sh
# Dependency rules: an arrow never turns back. A line for each folder: what its files may include.
#   tests -> workers -> ipc -> core;  core: api -> exec -> { compiler, interp } -> runtime -> binary -> base
# Pure functions (core/ops) may be used by all of core but base. Also: headers of the operating system in core/base only,
# nng in ipc/channel* only, demos include the public headers only.
set -u
failed=0
passed=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

check() { # NAME FILE-WITH-COMPLAINTS
    if [ -s "$2" ]; then
        failed=$((failed + 1))
        sed "s|^|layers: $1: |" "$2"
    else
        passed=$((passed + 1))
    fi
}

# allow FOLDER "FOLDERS IT MAY INCLUDE": "core/x" includes are written "x/...", others "ipc/...", "workers/...".
allow() {
    [ -d "$1" ] || return 0
    find "$1" -name '*.[ch]' -exec grep -Hn '^ *# *include *"' {} + 2>/dev/null |
        awk -v may=" $2 waggle " '{
            match($0, /"[^"]*"/); path = substr($0, RSTART + 1, RLENGTH - 2)
            top = path; if (sub(/\/.*/, "", top) == 0) top = (path == "waggle.h" || path == "wasm.h") ? "waggle" : path
            if (index(may, " " top " ") == 0) print }' >"$scratch/found"
    check "$1 may include: $2" "$scratch/found"
}

base='base'
binary="$base ops binary"
runtime="$binary runtime"
interp="$runtime interp"
compiler="$runtime compiler"
exec="$interp compiler exec"
api="$exec api"
allow core/base "$base"
allow core/ops "$base ops"
allow core/binary "$binary"
allow core/runtime "$runtime"
allow core/interp "$interp"
allow core/compiler "$compiler"
allow core/exec "$exec"
allow core/api "$api"
allow core/include ""
allow ipc "$api ipc"
allow workers "$api ipc workers"
allow demos "demos"

grep -HnE '^ *# *include *<(pthread|unistd|poll|signal|ucontext|fcntl|sched|dlfcn|semaphore|termios|netdb|spawn|sys/|linux/|arpa/|netinet/|net/)' \
    $(find core ipc workers -name '*.[ch]' ! -path 'core/base/*') >"$scratch/found" 2>/dev/null
check "headers of the operating system in core/base only" "$scratch/found"

grep -HnE '^ *# *include *<nng/' $(find core ipc workers demos -name '*.[ch]' ! -path 'ipc/channel*') \
    >"$scratch/found" 2>/dev/null
check "nng in ipc/channel* only" "$scratch/found"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
