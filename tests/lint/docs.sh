#!/bin/sh
# docs.sh BUILD: every function of the public headers is described, and Doxygen, where it is, makes the reference without a
# warning, with every function, error code and limit in it.
set -u
build=${1:-build/release}
failed=0
passed=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
bad() {
    echo "docs: $*"
    failed=$((failed + 1))
}

for header in core/include/*.h core/include/waggle/*.h; do
    if perl core/include/doxygen.pl --bare "$header" >"$scratch/bare" && [ ! -s "$scratch/bare" ]; then
        passed=$((passed + 1))
    else
        sed 's/$/ is not described/; s/^/docs: /' "$scratch/bare"
        bad "$header: comments are missing"
    fi
done

if ! command -v doxygen >/dev/null 2>&1; then
    echo "docs: no doxygen here: the reference is not built (make deps-docs installs it)"
elif ! sh core/include/reference "$scratch" 0.0.0 >"$scratch/said" 2>&1; then
    sed 's|.*/core/include/||' "$scratch/said" | head -n 40
    bad "the reference is not clean"
else
    passed=$((passed + 1))
    {
        nm -D --defined-only "$build"/libwaggle.so | awk '{ print $NF }' | grep -E '^(wag|wasm)_'
        sed -nE 's/^ERR\(([A-Z0-9_]+),.*/WAG_\1/p' core/include/waggle/err.def
        sed -nE 's/^LIMIT\(([a-z0-9_]+),.*/WAG_LIMIT_\1/p' core/include/waggle/limits.def
    } | sort -u >"$scratch/names"
    while read -r name; do
        [ -f "$scratch/man/man3/$name.3" ] || echo "$name"
    done <"$scratch/names" >"$scratch/absent"
    if [ -s "$scratch/absent" ] || [ ! -s "$scratch/names" ]; then
        bad "not in the reference: $(tr '\n' ' ' <"$scratch/absent")"
    else
        passed=$((passed + 1))
    fi
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
