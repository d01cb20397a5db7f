#!/bin/sh
# Instances that come and go, in Waggle, wasmtime (pooling allocator) and V8, interleaved in one run: for each of the
# shapes of bench_churn and 1 and 2 threads, the medians of the rounds: thousand instances a second, p50, p99, p99.9 in
# nanoseconds, and how many times as many Waggle makes. A table, $BUILD/churn/churn.txt and, with gnuplot, churn.svg.
#
# BUILD      the build's folder; `make bench-churn` has built what is needed
# ROUNDS     5; SECONDS_EACH: 0.5; CC
set -eu
export LC_ALL=C
build=${BUILD:-build/release}
rounds=${ROUNDS:-5}
seconds=${SECONDS_EACH:-0.5}
here=$(dirname "$0")
out=$build/churn
mkdir -p "$out"
"$build/tests/bench/bench_churn" --write "$out"
: >"$out/raw.txt"

library=${WASMTIME:-$(find "$build/peers/wasmtime" -name '*wasmtime.so' 2>/dev/null | head -n 1)}
if [ -z "$library" ] && pip download --quiet --no-deps --dest "$build/peers/wasmtime" wasmtime==50.0.1 >"$out/pip.log" 2>&1
then
    (cd "$build/peers/wasmtime" && python3 -m zipfile -e ./*.whl .)
    library=$(find "$build/peers/wasmtime" -name '*wasmtime.so' | head -n 1)
fi
if [ -n "$library" ]; then
    ${CC:-gcc} -std=gnu11 -O2 "$here/peers/churn_wasmtime.c" -o "$out/churn_wasmtime" -ldl -lpthread
else
    echo "bench-churn: without wasmtime: its package cannot be had" >&2
fi
command -v node >/dev/null 2>&1 || echo "bench-churn: without V8: there is no node" >&2

run() { # SHAPE THREADS
    echo "waggle $1 $2 $("$build/tests/bench/bench_churn" --shape "$1" --only "$2" --seconds "$seconds")"
    [ -z "$library" ] || echo "wasmtime $1 $2 $("$out/churn_wasmtime" "$library" "$out/$1.wasm" "$2" "$seconds")"
    ! command -v node >/dev/null 2>&1 || echo "v8 $1 $2 $(node "$here/peers/churn.mjs" "$out/$1.wasm" "$2" "$seconds")"
}

round=0
while [ "$round" -lt "$rounds" ]; do
    for shape in a b c; do
        for threads in 1 2; do
            run "$shape" "$threads" >>"$out/raw.txt"
        done
    done
    round=$((round + 1))
done

awk '
function median(list,    n, i, j, v, t) {
    n = split(list, v, " ")
    for (i = 2; i <= n; i++)
        for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
    return v[int((n + 1) / 2)]
}
{
    key = $2 " " $3 " " $1
    if (!(key in seen)) { seen[key] = 1; order[++count] = key }
    for (i = 4; i <= 7; i++) values[key, i] = values[key, i] " " $i
}
END {
    printf "%-6s %-8s %-10s %12s %10s %10s %10s %10s\n", "shape", "threads", "engine", "thousand/s", "p50 ns", "p99 ns", "p99.9 ns", "waggle is"
    for (i = 1; i <= count; i++) {
        split(order[i], part, " ")
        rate = median(values[order[i], 4])
        own = median(values[part[1] " " part[2] " waggle", 4])
        printf "%-6s %-8s %-10s %12.1f %10d %10d %10d %9.1fx\n", part[1], part[2], part[3], rate / 1000, \
            median(values[order[i], 5]), median(values[order[i], 6]), median(values[order[i], 7]), own / rate
    }
}' "$out/raw.txt" | tee "$out/churn.txt"

if command -v gnuplot >/dev/null 2>&1; then
    gnuplot <<PLOT
set terminal svg size 900,420 font "sans,12"
set output "$out/churn.svg"
set logscale y
set ylabel "nanoseconds for one instance (median, p99, p99.9), 2 threads"
set key top left
set style data linespoints
set xtics ("p50" 0, "p99" 1, "p99.9" 2)
set xrange [-0.3:2.3]
plot for [s in "a b c"] for [e in "waggle wasmtime v8"] \
    "<awk -v s=".s." -v e=".e." '\$1 == s && \$2 == 2 && \$3 == e { for (i = 5; i <= 7; i++) print i - 5, \$i }' $out/churn.txt" \
    using 1:2 title s." ".e
PLOT
fi
