#!/bin/sh
# The table of tests/api/test_wrong_agent.c is complete: a function of the owner thread (WAG_API) that takes an object of
# an agent has a row. Takes: a pointer to a type that is not for any thread, or a value that may hold one; what a function
# gives (ret_x, reterr_x, results) does not count.
set -u
rows=tests/api/wrong_agent.inc
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

# Macros of declarations expanded, the marks kept: the compiler's own preprocessor, with base.h's marks replaced.
mkdir -p "$scratch/include"
cp -R core/include/. "$scratch/include/"
sed -E 's/^#define WAG_API .*/#define WAG_API OWNER_THREAD/; s/^#define WAG_API_ANY_THREAD .*/#define WAG_API_ANY_THREAD/' \
    core/include/waggle/base.h >"$scratch/include/waggle/base.h"
printf '#include "waggle.h"\n#include "waggle/wasm_ext.h"\n' | ${CC:-gcc} -std=c11 -I"$scratch/include" -E -P - |
    tr '\n' ' ' | tr ';{}' '\n\n\n' | grep 'OWNER_THREAD' | sed -nE 's/.*OWNER_THREAD[^(]*[ *](wag_[a-z0-9_]+) *\((.*)\).*/\1 \2/p' |
    awk '
        BEGIN { split("module shared_memory error cluster compile_options cluster_options worker_options name bytes exit", free)
                for (i in free) any["wag_" free[i]] = 1 }
        { name = $1; $1 = ""; n = split($0, parameters, ","); takes = 0
          for (i = 1; i <= n; i++) {
            p = parameters[i]
            if (p ~ /(ret_|reterr_|results|\(\*|\*\*)/ || !match(p, /(wag|wasm)_[a-z0-9_]+/)) continue
            type = substr(p, RSTART, RLENGTH)
            if (type ~ /(_descriptor|_options|_kind|_handler|_getter|_reaction|_policy|_entry|_func_t)$/ || type in any) continue
            if (p ~ /\*/ || type ~ /^wag_(value|val|instantiated_source)$/) takes = 1
          }
          if (takes) print name }' | sort -u >"$scratch/wanted"
{
    sed -nE 's/^ROW\(([a-z0-9_]+),.*/\1/p' $rows
    for type in $(sed -nE 's/^PROMISE_ROWS\(([a-z]+),.*/\1/p' $rows); do
        sed -nE "s/.*ROW\((wag_promise_)##T##(_[a-z]+),.*/\1$type\2/p" $rows
    done
} | sort -u >"$scratch/rows"
if [ "$(wc -l <"$scratch/wanted")" -lt 100 ]; then
    echo "wrong_agent: where are the functions?"
    echo "0 passed, 1 failed"
    exit 1
fi
comm -23 "$scratch/wanted" "$scratch/rows" >"$scratch/missing"
if [ -s "$scratch/missing" ]; then
    sed "s|^|wrong_agent: no row in $rows for |" "$scratch/missing"
    echo "0 passed, 1 failed"
    exit 1
fi
echo "1 passed, 0 failed"
