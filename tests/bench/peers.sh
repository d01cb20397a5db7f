#!/bin/sh
# Waggle beside its peers in one interleaved run: each round runs every workload once in every engine, a process each, so
# that whatever else the machine does falls on all alike. The report (peers/report.awk): CPU and wall milliseconds as
# medians of the rounds, ratios to TurboFan with their geometric mean, compile throughput; a table, $BUILD/peers/peers.json
# and, with gnuplot, $BUILD/peers/peers.svg. Fails when two engines compute different things, or one fails.
#
# BUILD            the build's folder; `make bench-peers` has built what is needed
# ROUNDS           5; RUNS: 3, what a process runs for its median; COMPILE_ROUNDS: 3, but one for the optimising compilers
# SIZE             full, or small (for trying out)
# ENGINES          which, of the list below; by default all that are here but waggle-interp
#   waggle         the library, its default tier        waggle-interp   its interpreter
#   liftoff turbofan v8     node: the baseline compiler alone, the optimising one alone, and as it comes; nothing lazy
#   wasmtime       its library, from the PyPI package (pip), asked through the standard C API
#   wasm2c         wabt's translation to C, by $CC -O2: the limit of what static compilation reaches (no simd_ workloads)
set -u
export LC_ALL=C
build=${BUILD:-build/release}
rounds=${ROUNDS:-5}
runs=${RUNS:-3}
compile_rounds=${COMPILE_ROUNDS:-3}
size=${SIZE:-full}
cc=${CC:-gcc}
here=$(dirname "$0")/peers
out=$build/peers
bench=$build/tests/bench
mkdir -p "$out" || exit 1

skip() { echo "bench-peers: without $1: $2" >&2; }

# ---- which engines are here ----

prepare_wasmtime() {
    library=$(sh "$here/get_wasmtime.sh" "$out/wasmtime") || { skip wasmtime "its library cannot be had"; return 1; }
    if ! $cc -std=gnu11 -O2 "$here/wasmtime.c" -o "$out/run-wasmtime" -ldl; then
        skip wasmtime "its library cannot be used"
        return 1
    fi
}

prepare_wasm2c() {
    runtime=$(dirname "$(find /usr/share/wabt /usr/local/share/wabt -name wasm-rt-impl.c 2>/dev/null | head -n 1)")
    if ! command -v wasm2c >/dev/null 2>&1 || [ "$runtime" = . ]; then
        skip wasm2c "there is no wabt with its wasm2c runtime here"
        return 1
    fi
    while read -r name file rest; do
        case $file in */objects/*) continue ;; esac
        folder=$out/wasm2c-$name
        mkdir -p "$folder"
        if [ "$folder/program" -nt "$file" ] && [ "$folder/program" -nt "$here/wasm2c.c" ]; then continue; fi
        rm -f "$folder/program"
        if ! wasm2c "$file" -n bench -o "$folder/bench.c" >"$out/wasm2c.log" 2>&1; then
            case $name in simd_*) skip "wasm2c of $name" "this wabt has no vectors in C"; continue ;; esac
            cat "$out/wasm2c.log" >&2
            return 1
        fi
        with=''
        if grep -q Z_wasi_snapshot_preview1 "$folder/bench.h"; then with=-DWITH_WASI; fi
        if ! $cc -std=gnu11 -O2 -w $with -I"$folder" -I"$runtime" "$here/wasm2c.c" "$folder/bench.c" \
            "$runtime/wasm-rt-impl.c" -o "$folder/program" -lm; then
            skip wasm2c "its C of $name does not compile (this is written for wabt 1.0.32)"
            return 1
        fi
    done <"$out/workloads"
}

"$bench/bench_run" --list >"$out/workloads" || exit 1
engines=''
for engine in ${ENGINES:-waggle liftoff turbofan v8 wasmtime wasm2c}; do
    case $engine in
    waggle | waggle-interp) ;;
    liftoff | turbofan | v8) command -v node >/dev/null 2>&1 || { skip $engine "there is no node here"; continue; } ;;
    wasmtime) prepare_wasmtime || continue ;;
    wasm2c) prepare_wasm2c || continue ;;
    *) echo "bench-peers: there is no engine \"$engine\"" >&2; exit 1 ;;
    esac
    engines="$engines $engine"
done

# ---- one measurement each ----

v8_flags() { # ENGINE
    case $1 in
    liftoff) echo --liftoff-only --no-wasm-lazy-compilation ;;
    turbofan) echo --no-liftoff --no-wasm-lazy-compilation ;;
    v8) echo --no-wasm-lazy-compilation ;;
    esac
}

# Structs are not for every engine: wasm2c and wasmtime's C API do not know them, nor did older V8s.
objects='waggle waggle-interp'
struct='new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 79, 0, 95, 0])'
if node -e "process.exit(WebAssembly.validate($struct) ? 0 : 1)" >/dev/null 2>&1; then
    objects="$objects liftoff turbofan v8"
fi
can_run() { # ENGINE FILE
    case $2 in
    */objects/*) case " $objects " in *" $1 "*) ;; *) return 1 ;; esac ;;
    esac
}

run() { # ENGINE NAME FILE N: prints CHECK COMPILE_MS CPU_MS WALL_MS
    # shellcheck disable=SC2046
    case $1 in
    waggle) "$bench/bench_run" --rounds "$runs" --one "$2" "$4" ;;
    waggle-interp) "$bench/bench_run" --tier interp --rounds "$runs" --one "$2" "$4" ;;
    liftoff | turbofan | v8) node $(v8_flags "$1") "$here/run.mjs" run "$3" "$4" "$runs" ;;
    wasmtime) "$out/run-wasmtime" "$library" run "$3" "$4" "$runs" ;;
    wasm2c) "$out/wasm2c-$2/program" "$4" "$runs" ;;
    esac
}

compile() { # ENGINE FILE: prints CODE_BYTES COMPILE_MS - -
    # shellcheck disable=SC2046
    # Three in one process, for the engines that are quick: the first one also pages in the compiler.
    case $1 in
    waggle) "$bench/bench_compile" --rounds 3 --one "$2" ;;
    waggle-interp) "$bench/bench_compile" --tier interp --rounds 3 --one "$2" ;;
    liftoff | v8) node $(v8_flags "$1") "$here/run.mjs" compile "$2" 3 ;;
    turbofan) node $(v8_flags "$1") "$here/run.mjs" compile "$2" 1 ;;
    wasmtime) "$out/run-wasmtime" "$library" compile "$2" 1 ;;
    esac
}

# Lines for the report: ACTION ROUND ENGINE NAME N WANTED CHECK COMPILE_MS CPU_MS WALL_MS; "failed" as CHECK when it did.
record() { # ACTION ROUND ENGINE NAME N WANTED COMMAND...
    line="$1 $2 $3 $4 $5 $6"
    shift 6
    if said=$("$@" 2>"$out/failure" </dev/null); then
        echo "$line $said" >>"$out/raw"
    else
        echo "bench-peers: $line: $(head -n 3 "$out/failure" | tr '\n' ' ')" >&2
        echo "$line failed - - -" >>"$out/raw"
    fi
}

: >"$out/raw"
round=1
while [ "$round" -le "$rounds" ]; do
    if [ -t 2 ]; then printf 'round %s of %s\r' "$round" "$rounds" >&2; fi
    while read -r name file full full_check small small_check; do
        if [ "$size" = small ]; then n=$small check=$small_check; else n=$full check=$full_check; fi
        for engine in $engines; do
            can_run "$engine" "$file" || continue
            if [ "$engine" = wasm2c ] && [ ! -x "$out/wasm2c-$name/program" ]; then continue; fi
            record run "$round" "$engine" "$name" "$n" "$check" run "$engine" "$name" "$file" "$n"
        done
    done <"$out/workloads"
    round=$((round + 1))
done

if ls "$build"/modules/*.wasm >/dev/null 2>&1; then
    round=1
    while [ "$round" -le "$compile_rounds" ]; do
        if [ -t 2 ]; then printf 'compile round %s of %s\r' "$round" "$compile_rounds" >&2; fi
        for file in "$build"/modules/*.wasm; do
            for engine in $engines; do
                # These two take minutes for what the others do in a second.
                case $engine,$round in wasm2c,* | turbofan,[!1]* | wasmtime,[!1]*) continue ;; esac
                record compile "$round" "$engine" "$(basename "$file" .wasm)" 0 0 compile "$engine" "$file"
            done
        done
        round=$((round + 1))
    done
else
    echo "bench-peers: no modules in $build/modules (make bench-modules fetches them): no compile throughput" >&2
fi

# ---- the report ----

{
    echo "machine $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1), $(nproc 2>/dev/null) processors"
    echo "load $(cut -d' ' -f1-3 /proc/loadavg 2>/dev/null)"
    case $engines in *turbofan* | *liftoff* | *v8*) echo "node $(node --version)" ;; esac
    case $engines in *wasmtime*) echo "wasmtime $(sh "$here/get_wasmtime.sh" --version)" ;; esac
    case $engines in *wasm2c*) echo "wasm2c $(wasm2c --version), $($cc --version | head -n 1)" ;; esac
} >"$out/about"
rm -f "$out/peers.dat" "$out/peers.svg"
awk -v engines="$engines" -v about="$out/about" -v json="$out/peers.json" -v data="$out/peers.dat" -v runs="$runs" \
    -f "$here/report.awk" "$out/raw"
status=$?
echo "$out/peers.json"
if [ -s "$out/peers.dat" ] && command -v gnuplot >/dev/null 2>&1; then
    case $engines in *turbofan*) base=turbofan ;; *) base=$(echo $engines | cut -d' ' -f1) ;; esac
    gnuplot -e "data='$out/peers.dat'; output='$out/peers.svg'; base='$base'" "$here/ratios.gnuplot" && echo "$out/peers.svg"
fi
exit $status
