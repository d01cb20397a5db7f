#!/bin/sh
# examples.sh BUILD: the examples of the public headers' comments compile with all warnings as errors, and run: a paragraph
# that begins with "static" is a function, the rest is the inside of one that returns 0 when all went well. Each header has
# one at least. What they work with is tests/lint/example.wat (waggle.h says so).
set -u
build=${1:-build/release}
failed=0
passed=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

wat2wasm tests/lint/example.wat -o "$scratch/example.wasm" || exit 1
{
    cat <<'EOT'
#include <stdio.h>
#include <waggle.h>
#include <waggle/wasm_ext.h>
static const uint8_t wasm[] = {
EOT
    od -An -v -tu1 "$scratch/example.wasm" | sed 's/[0-9][0-9]*/&,/g'
    cat <<'EOT'
};
static const wag_bytes bytes = {wasm, sizeof wasm};
static wag_module *module;
static wag_instance *instance;
static wag_error *given_next(void *context, const wag_val *args, wag_val *results)
{
    (void)context, (void)args, (void)results;
    return NULL;
}
EOT
} >"$scratch/before"
cat >"$scratch/after" <<'EOT'
(void)bytes, (void)module, (void)instance;
return 0;
}
int main(void)
{
    wag_assume_owner_thread();
    wag_imports *given = wag_imports_new();
    wag_imports_set_func(given, "host", "next", NULL, given_next, NULL, NULL);
    if (wag_module_new(bytes, NULL, &module, NULL) != WAG_OK || wag_instance_new(module, given, &instance, NULL) != WAG_OK)
        return 2;
    int status = example();
    wag_instance_unref(instance);
    wag_module_unref(module);
    wag_imports_unref(given);
    return status;
}
EOT

for header in core/include/*.h core/include/waggle/*.h; do
    name=$(basename "$header" .h)
    awk -v out="$scratch/$name" '
        /^ \* Example:$/ { count++; code = 1; next }
        code && !/^ \*(     |$)/ { code = 0 }
        code { if (!sub(/^ \*     /, "")) sub(/^ \*/, ""); print >(out "_" count ".txt") }' "$header"
    if [ ! -f "$scratch/${name}_1.txt" ]; then
        echo "examples: $header has none"
        failed=$((failed + 1))
    fi
done
for example in "$scratch"/*.txt; do
    program=${example%.txt}
    {
        cat "$scratch/before"
        awk 'BEGIN { RS = ""; ORS = "\n\n" } /^static/' "$example"
        echo 'static WAG_OWNER_THREAD int example(void)'
        echo '{'
        awk 'BEGIN { RS = ""; ORS = "\n\n" } !/^static/' "$example"
        cat "$scratch/after"
    } >"$program.c"
    # An example may define a function without calling it.
    flags='-std=c11 -Wall -Wextra -Wpedantic -Werror -Wno-unused-function -g -pthread -Icore/include'
    # shellcheck disable=SC2086
    if ! ${CC:-gcc} $flags "$program.c" "$build/libwaggle.a" -o "$program" -lnng -lmbedcrypto -lm; then
        echo "examples: ${program##*/} does not build"
    elif ! timeout 60 "$program" >"$program.out" 2>&1; then
        cat "$program.out"
        echo "examples: ${program##*/} fails"
    else
        passed=$((passed + 1))
        continue
    fi
    failed=$((failed + 1))
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
