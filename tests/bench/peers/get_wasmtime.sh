#!/bin/sh
# Where wasmtime's library is: get_wasmtime.sh FOLDER prints its path; it comes from the PyPI package (pip) into FOLDER, once.
# WASMTIME: a library of one's own instead. get_wasmtime.sh --version prints which version is asked for.
set -u
version=50.0.1
folder=$1
if [ "$folder" = --version ]; then
    echo "$version"
    exit 0
fi
if [ -n "${WASMTIME:-}" ]; then
    echo "$WASMTIME"
    exit 0
fi
find_it() { find "$folder" -name '*wasmtime.so' 2>/dev/null | head -n 1; }
if [ -z "$(find_it)" ]; then
    if ! command -v pip >/dev/null 2>&1 || ! command -v python3 >/dev/null 2>&1; then
        echo "get_wasmtime: there is no pip here" >&2
        exit 1
    fi
    mkdir -p "$folder" || exit 1
    if ! pip download --quiet --no-deps --dest "$folder" "wasmtime==$version" >"$folder/pip.log" 2>&1; then
        echo "get_wasmtime: pip could not download it: $(tail -n 1 "$folder/pip.log")" >&2
        exit 1
    fi
    (cd "$folder" && python3 -m zipfile -e ./*.whl .) || exit 1
fi
library=$(find_it)
[ -n "$library" ] && echo "$library"
