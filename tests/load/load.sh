#!/bin/sh
# The load test at full length, with the peers that are here, in one interleaved run: in each round every engine makes
# instances of every module with 1 and 2 workers, a process each, so that whatever else the machine does falls on all alike.
# First the library alone in every way that has to be right, with every reset compared. Then the table (medians of the
# rounds): thousand lives a second of the wall clock and of CPU time, nanoseconds of a life (median, p99, p99.9), of making
# and dropping alone, resident kilobytes of an instance, system calls of a life (the difference of two runs under strace,
# one twice as long as the other), and how many times as many Waggle makes. $BUILD/load/load.json says the same, and
# $BUILD/load/latency.svg shows the whole distribution. Fails when a value is wrong, something is left over, Waggle makes a
# system call in a life of a shape, or makes fewer than 20 times as many as wasmtime of shape b with 2 workers.
#
# BUILD      the build's folder; `make load` has built what is needed
# ROUNDS     5; SECONDS_EACH: 0.5; CC; WORKERS: "1 2"
# SUBJECTS   a b c, and three modules of npm; without a network three C programs
set -u
export LC_ALL=C
build=${BUILD:-build/release}
rounds=${ROUNDS:-5}
seconds=${SECONDS_EACH:-0.5}
workers=${WORKERS:-1 2}
here=$(dirname "$0")
out=$build/load
load=$build/tests/load/load
failed=0
mkdir -p "$out/modules" || exit 1
skip() { echo "load: without $1: $2" | tee -a "$out/skipped" >&2; }
: >"$out/skipped"

if [ -z "${SUBJECTS:-}" ]; then
    if sh "$here/../bench/fetch_modules.sh" "$out/modules" llhttp sqlite quickjs; then
        SUBJECTS='a b c llhttp sqlite quickjs'
    else
        skip "modules of npm" "they cannot be had; C programs instead"
        SUBJECTS='a b c lz json regex'
    fi
fi
module_of() { # SUBJECT
    if [ -e "$out/modules/$1.wasm" ]; then echo "$out/modules/$1.wasm"; else echo "$build/tests/bench/programs/$1.wasm"; fi
}
"$load" --write "$out/modules" a b c || exit 1

echo "== every reset compared"
for tier in guard checked; do
    # shellcheck disable=SC2086
    "$load" --tier $tier --only --workers 2 --seconds "$seconds" --check $SUBJECTS || failed=1
done
echo "== a thousand workers with imports of their own, and a Module's way to a worker"
"$load" --only --workers 1000 --count 100 --warm-up 0 own || failed=1
"$load" --only --workers 8 --count 20000 --posts 5000 own || failed=1

# ---- the peers ----

engines=waggle
if library=$(sh "$here/../bench/peers/get_wasmtime.sh" "$out/wasmtime") &&
    ${CC:-gcc} -std=gnu11 -O2 "$here/peers/wasmtime.c" "$here/harness/script.c" -o "$out/run-wasmtime" -ldl -lpthread -lm; then
    engines="$engines wasmtime"
else
    skip wasmtime "its library cannot be had or used"
fi
if command -v node >/dev/null 2>&1; then engines="$engines v8"; else skip V8 "there is no node here"; fi

run() { # ENGINE SUBJECT WORKERS COUNT ALIVE [PREFIX...]: into $out/line
    engine=$1 subject=$2 count=$3 limit=$4 alive=$5
    shift 5
    case $engine in
    waggle) "$@" "$load" --only --workers "$count" --seconds "$seconds" --count "$limit" --alive "$alive" --line "$out/line" "$subject" ;;
    wasmtime) "$@" "$out/run-wasmtime" "$library" "$(module_of "$subject")" "$here/scripts/$subject.calls" "$out/line" "$count" "$seconds" "$limit" 100 "$alive" ;;
    v8) "$@" node "$here/peers/node.mjs" "$(module_of "$subject")" "$here/scripts/$subject.calls" "$out/line" "$count" "$seconds" "$limit" 100 "$alive" ;;
    esac >"$out/said" 2>&1 </dev/null && return
    echo "load: $engine $subject, $count workers: $(tail -n 3 "$out/said" | tr '\n' ' ')" >&2
    failed=1
    return 1
}

: >"$out/raw"
: >"$out/at"
round=1
while [ "$round" -le "$rounds" ]; do
    for subject in $SUBJECTS; do
        for count in $workers; do
            for engine in $engines; do
                alive=0
                if [ "$count" = 1 ]; then alive=100; fi
                run "$engine" "$subject" "$count" 0 $alive || continue
                sed -n "1s/^/$engine $subject $count /p" "$out/line" >>"$out/raw"
                sed -n "s/^at/$engine $subject $count/p" "$out/line" >>"$out/at"
            done
        done
    done
    round=$((round + 1))
done

: >"$out/calls"
if command -v strace >/dev/null 2>&1 && strace -o /dev/null true 2>/dev/null; then
    for subject in $SUBJECTS; do
        for engine in $engines; do
            # What the threads of a process say to each other at its beginning and end must drown in the lives.
            case $engine,$subject in waggle,? | waggle,llhttp) lives=200000 ;; *,? | *,llhttp) lives=4000 ;; waggle,*) lives=10000 ;; *) lives=100 ;; esac
            made=''
            for times in 1 2; do
                run "$engine" "$subject" 1 $((lives * times)) 0 strace -f -c -o "$out/strace" || continue 2
                made="$made $(awk '$NF == "total" { print $4 }' "$out/strace")"
            done
            echo "$engine $subject $lives $made" >>"$out/calls"
        done
    done
else
    skip "system calls" "there is no strace here, or it may not trace"
fi

{
    echo "machine $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1), $(nproc 2>/dev/null) processors"
    echo "load $(cut -d' ' -f1-3 /proc/loadavg 2>/dev/null)"
    case $engines in *wasmtime*) echo "wasmtime $(sh "$here/../bench/peers/get_wasmtime.sh" --version), pooling allocator" ;; esac
    case $engines in *v8*) echo "node $(node --version)" ;; esac
} >"$out/about"
awk -v out="$out" -v rounds="$rounds" -f "$here/report.awk" "$out/calls" "$out/raw" "$out/at" || failed=1
cat "$out/skipped"
echo "$out/load.json"
if command -v gnuplot >/dev/null 2>&1; then
    last=${workers##* }
    gnuplot -e "out='$out'; subjects='$SUBJECTS'; engines='$engines'; workers='$last'" "$here/latency.gnuplot" && echo "$out/latency.svg"
else
    skip "a plot" "there is no gnuplot here"
fi
exit $failed
