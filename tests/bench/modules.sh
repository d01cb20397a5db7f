#!/bin/sh
# Compiling real modules beside V8's baseline compiler: modules.sh BUILD [MODULE.wasm...], by default BUILD/modules.
# One interleaved run: in each of ROUNDS (5) every module is compiled by each engine in a process of its own, three times on
# one thread; a process says the median CPU time of its three, start-up and reading not counted. Reported are megabytes of
# code section per second (median of the rounds, and the best), Liftoff's share in it, machine code per byte of code section
# (V8's says its code objects, with their tables) and by how many megabytes compiling raised the process's peak memory.
# A table, and BUILD/modules/modules.json.
set -u
export LC_ALL=C
build=${1:-build/release}
if [ $# -gt 0 ]; then shift; fi
if [ $# = 0 ]; then set -- "$build"/modules/*.wasm; fi
run=$(dirname "$0")/peers/run.mjs
out=$build/modules
rounds=${ROUNDS:-5}
v8='--liftoff-only --no-wasm-lazy-compilation --wasm-num-compilation-tasks=1 --single-threaded'
mkdir -p "$out" || exit 1
with_v8=yes
if ! command -v node >/dev/null 2>&1; then
    echo "bench-modules: there is no node here: Waggle alone" >&2
    with_v8=no
fi

# Lines: ENGINE MODULE CODE_BYTES CPU_MS MACHINE_CODE_BYTES PEAK_BYTES
one() { # ENGINE MODULE COMMAND...
    line="$1 $(basename "$2" .wasm)"
    shift 2
    if ! said=$("$@"); then
        echo "bench-modules: $line does not compile" >&2
        exit 1
    fi
    echo "$line $said" >>"$out/raw"
}

: >"$out/raw"
round=1
while [ "$round" -le "$rounds" ]; do
    for file in "$@"; do
        one waggle "$file" "$build/tests/bench/bench_compile" --threads 1 --rounds 3 --one "$file"
        # shellcheck disable=SC2086
        if [ $with_v8 = yes ]; then one liftoff "$file" node $v8 "$run" compile "$file" 3; fi
    done
    round=$((round + 1))
done
if [ $with_v8 = yes ]; then
    for file in "$@"; do
        # shellcheck disable=SC2086
        node $v8 --trace-wasm-compilation-times "$run" compile "$file" 1 |
            awk -v name="$(basename "$file" .wasm)" '/^Compiled function/ { for (i = 1; i < NF; i++) if ($i == "codesize") sum += $(i + 1) }
                END { print "size", name, sum }' >>"$out/raw"
    done
fi

{
    echo "machine $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1), $(nproc 2>/dev/null) processors"
    echo "load $(cut -d' ' -f1-3 /proc/loadavg 2>/dev/null)"
    if [ $with_v8 = yes ]; then echo "node $(node --version) $v8"; fi
} >"$out/about"
awk -v about="$out/about" -v json="$out/modules.json" -v rounds="$rounds" '
function sorted(list, parts,    count, i, j, t) {
    count = split(list, parts, " ")
    for (i = 2; i <= count; i++) {
        t = parts[i] + 0
        for (j = i - 1; j >= 1 && parts[j] + 0 > t; j--) parts[j + 1] = parts[j]
        parts[j + 1] = t
    }
    return count
}
function middle(list,    parts, count) {
    count = sorted(list, parts)
    return count ? (parts[int((count + 1) / 2)] + parts[int(count / 2) + 1]) / 2 : ""
}
function least(list,    parts) { return sorted(list, parts) ? parts[1] : "" }
function divided(x, y) { return x == "" || y == "" || y + 0 == 0 ? "" : x / y }
function shown(x, format) { return x == "" ? "-" : sprintf(format, x) }
function value(x) { return x == "" ? "null" : sprintf("%.4f", x) }
function show(name, row) {
    printf "%-12s %8s  %8s %8s %7s  %8s %8s %7s  %8s %8s  %8s %8s\n", name, shown(row[0], "%.0f"), shown(row[1], "%.2f"), \
        shown(row[2], "%.2f"), shown(row[3], "%.2f"), shown(row[4], "%.2f"), shown(row[5], "%.2f"), shown(row[6], "%.2f"), \
        shown(row[7], "%.2f"), shown(row[8], "%.2f"), shown(row[9], "%.1f"), shown(row[10], "%.1f")
}
$1 == "size" { size[$2] = $3; next }
{
    if (!($2 in code)) names[++count] = $2
    if ($1 == "waggle") { code[$2] = $3; machine[$2] = $5 }
    times[$2, $1] = times[$2, $1] " " $4
    peaks[$2, $1] = peaks[$2, $1] " " $6 / 1e6
}
END {
    printf "%-12s %8s  %26s  %26s  %17s  %17s\n", "", "", "MB/s, median      ratio", "MB/s, best      ratio", "code ratio", "peak MB"
    printf "%-12s %8s  %8s %8s %7s  %8s %8s %7s  %8s %8s  %8s %8s\n", "module", "code kB", "waggle", "liftoff", "", "waggle", \
        "liftoff", "", "waggle", "liftoff", "waggle", "liftoff"
    printf "{\"benchmark\": \"modules\", \"rounds\": %d,\n \"rows\": [", rounds >json
    for (i = 1; i <= count; i++) {
        n = names[i]
        row[0] = code[n] / 1000
        row[1] = divided(code[n] / 1000, middle(times[n, "waggle"]))
        row[2] = divided(code[n] / 1000, middle(times[n, "liftoff"]))
        row[3] = divided(row[1], row[2])
        row[4] = divided(code[n] / 1000, least(times[n, "waggle"]))
        row[5] = divided(code[n] / 1000, least(times[n, "liftoff"]))
        row[6] = divided(row[4], row[5])
        row[7] = divided(machine[n], code[n])
        row[8] = divided(size[n], code[n])
        row[9] = middle(peaks[n, "waggle"])
        row[10] = middle(peaks[n, "liftoff"])
        show(n, row)
        if (row[3] != "") { median_sum += log(row[3]); best_sum += log(row[6]); compared++ }
        printf "%s\n  {\"name\": \"%s\", \"code_bytes\": %d, \"waggle_mb_s\": %s, \"liftoff_mb_s\": %s, \"ratio\": %s,\n   \"waggle_best_mb_s\": %s, \"liftoff_best_mb_s\": %s, \"best_ratio\": %s,\n   \"waggle_code_ratio\": %s, \"liftoff_code_ratio\": %s, \"waggle_peak_mb\": %s, \"liftoff_peak_mb\": %s}", \
            (i > 1 ? "," : ""), n, code[n], value(row[1]), value(row[2]), value(row[3]), value(row[4]), value(row[5]), value(row[6]), \
            value(row[7]), value(row[8]), value(row[9]), value(row[10]) >json
    }
    median_mean = compared ? exp(median_sum / compared) : ""
    best_mean = compared ? exp(best_sum / compared) : ""
    if (compared) printf "%-12s %8s  %8s %8s %7.2f  %8s %8s %7.2f\n", "geometric mean", "", "", "", median_mean, "", "", best_mean
    printf "],\n \"geometric_mean\": %s, \"best_geometric_mean\": %s", value(median_mean), value(best_mean) >json
    while ((getline line < about) > 0) {
        print line
        at = index(line, " ")
        printf ",\n \"%s\": \"%s\"", substr(line, 1, at - 1), substr(line, at + 1) >json
    }
    print "}" >json
}' "$out/raw" && echo "$out/modules.json"
