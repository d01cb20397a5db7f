#!/bin/sh
# Real modules, from packages of npm, into a folder: fetch_modules.sh FOLDER [NAME...]. Nothing of it is ever committed.
# Without names: those that the benchmarks compile.
# The packages' versions are fixed, so that figures of two days are figures of the same modules. What is there is kept.
set -u
folder=${1:-build/release/modules}
if [ $# -gt 0 ]; then shift; fi
wanted=" ${*:-sqlite esbuild binaryen quickjs pyodide} "
if ! command -v npm >/dev/null 2>&1; then
    echo "fetch_modules: there is no npm here; the C programs of tests/bench/programs must do" >&2
    exit 1
fi
mkdir -p "$folder" || exit 1
folder=$(cd "$folder" && pwd)
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
failed=0

# fetch NAME PACKAGE FILE COMMAND...: COMMAND makes the module of the package's file; it reads the one, writes the other.
fetch() {
    name=$1 package=$2 file=$3
    shift 3
    case $wanted in *" $name "*) ;; *) return ;; esac
    if [ -s "$folder/$name.wasm" ]; then return; fi
    rm -rf "$scratch/one"
    mkdir "$scratch/one"
    if ! (cd "$scratch/one" && npm pack --silent "$package" >/dev/null 2>said && tar -xzf ./*.tgz "package/$file"); then
        echo "fetch_modules: $package cannot be had: $(tail -n 1 "$scratch/one/said")" >&2
        failed=1
        return
    fi
    "$@" <"$scratch/one/package/$file" >"$scratch/one/module"
    if [ "$(head -c 4 "$scratch/one/module" | od -An -tx1 | tr -d ' ')" != 0061736d ]; then
        echo "fetch_modules: $package: $file holds no module" >&2
        failed=1
        return
    fi
    mv "$scratch/one/module" "$folder/$name.wasm"
    echo "$folder/$name.wasm: $(wc -c <"$folder/$name.wasm") bytes of $package"
}

# A module inside of JavaScript, as one string in base64.
from_text() {
    grep -oE "[\"']AGFzbQ[A-Za-z0-9+/=]*[\"']" | tr -d "\"'" | base64 -d
}

fetch sqlite sql.js@1.16.0 dist/sql-wasm.wasm cat
fetch esbuild esbuild-wasm@0.28.2 esbuild.wasm cat
fetch binaryen binaryen@123.0.0 index.js from_text
fetch quickjs @jitl/quickjs-wasmfile-release-sync@0.32.0 dist/emscripten-module.wasm cat
# A later pyodide throws by the exception instructions of the withdrawn proposal.
fetch pyodide pyodide@0.26.4 pyodide.asm.wasm cat
# The parser of HTTP that node's undici uses: small, and one instance for each connection.
fetch llhttp undici@6.21.0 lib/llhttp/llhttp-wasm.js from_text
exit $failed
