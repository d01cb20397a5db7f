/* V8 as a peer of the benchmark: one process compiles one module and, when asked to, runs it. Which of V8's compilers is
 * used say node's own flags.
 *
 *   node [flags] run.mjs compile FILE ROUNDS
 *   node [flags] run.mjs run FILE N ROUNDS
 *
 * Prints one line of words: CHECK COMPILE_CPU_MS RUN_CPU_MS RUN_WALL_MS, medians over the rounds. For compile: CHECK is 0,
 * the third is "-", the fourth by how many bytes the first compilation raised the most memory ever resident. CPU time is that of all threads of the process, so V8's helpers count.
 */
import fs from 'node:fs';

const [action, file, ...numbers] = process.argv.slice(2);
const n = action === 'run' ? Number(numbers.shift()) : 0;
const rounds = Number(numbers.shift());
const bytes = fs.readFileSync(file);

function timed(work) {
  const cpu = process.cpuUsage();
  const wall = performance.now();
  const result = work();
  const wallMs = performance.now() - wall;
  const spent = process.cpuUsage(cpu);
  return { result, wallMs, cpuMs: (spent.user + spent.system) / 1000 };
}

function median(values) {
  values.sort((a, b) => a - b);
  return (values[(values.length - 1) >> 1] + values[values.length >> 1]) / 2;
}

/* The same WASI as tests/bench/wasi.c: output is kept, nothing else is there. */
function wasi() {
  const state = { memory: null, output: [], random: 0n };
  const view = () => new DataView(state.memory.buffer);
  const mask = (1n << 64n) - 1n;
  state.imports = {
    fd_write(fd, iovs, count, ret) {
      if (fd !== 1 && fd !== 2) return 8;
      let written = 0;
      for (let i = 0; i < count; i++) {
        const address = view().getUint32(iovs + 8 * i, true);
        const size = view().getUint32(iovs + 8 * i + 4, true);
        state.output.push(...new Uint8Array(state.memory.buffer, address, size));
        written += size;
      }
      view().setUint32(ret, written, true);
      return 0;
    },
    fd_close: (fd) => (fd <= 2 ? 0 : 8),
    fd_seek: (fd) => (fd <= 2 ? 70 : 8),
    fd_fdstat_get(fd, at) {
      if (fd > 2) return 8;
      view().setBigUint64(at, 2n, true);
      view().setBigUint64(at + 8, 64n, true);
      view().setBigUint64(at + 16, 0n, true);
      return 0;
    },
    args_sizes_get: (a, b) => (view().setUint32(a, 0, true), view().setUint32(b, 0, true), 0),
    args_get: () => 0,
    environ_sizes_get: (a, b) => (view().setUint32(a, 0, true), view().setUint32(b, 0, true), 0),
    environ_get: () => 0,
    clock_time_get: (id, precision, at) => (view().setBigUint64(at, process.hrtime.bigint(), true), 0),
    random_get(at, size) {
      for (let i = 0; i < size; i++) {
        state.random = (state.random * 6364136223846793005n + 1442695040888963407n) & mask;
        view().setUint8(at + i, Number(state.random >> 56n));
      }
      return 0;
    },
    proc_exit(status) {
      throw new Error(`exit with status ${status}`);
    },
  };
  return state;
}

/* FNV-1a over what was printed, going on from the result: workload.h says the same. */
function check(result, output) {
  let sum = BigInt.asUintN(64, result);
  for (const byte of output) sum = BigInt.asUintN(64, (sum ^ BigInt(byte)) * 1099511628211n);
  return sum.toString();
}

const compiles = [];
let module;
let peak = process.resourceUsage().maxRSS;
for (let i = 0; i < (action === 'compile' ? rounds : 1); i++) {
  /* A byte more in a custom section each time, so that no cache of V8 knows the module. */
  const fresh = i === 0 ? bytes : Buffer.concat([bytes, Buffer.from([0, 2, 1, 0x61 + i])]);
  const t = timed(() => new WebAssembly.Module(fresh));
  module = t.result;
  compiles.push(t.cpuMs);
  if (i === 0) peak = process.resourceUsage().maxRSS - peak;
}
if (action === 'compile') {
  console.log(`0 ${median(compiles).toFixed(3)} - ${peak * 1024}`);
} else {
  const host = wasi();
  const instance = new WebAssembly.Instance(module, { wasi_snapshot_preview1: host.imports });
  host.memory = instance.exports.memory;
  instance.exports._initialize?.();
  const runs = [];
  let first = null;
  for (let i = 0; i < rounds; i++) {
    host.output = [];
    runs.push(timed(() => instance.exports.run(n)));
    const now = check(runs[i].result, host.output);
    if (first !== null && now !== first) throw new Error(`run ${i + 1} gives ${now}, the first gave ${first}`);
    first = now;
  }
  const cpu = median(runs.map((r) => r.cpuMs));
  const wall = median(runs.map((r) => r.wallMs));
  console.log(`${first} ${compiles[0].toFixed(3)} ${cpu.toFixed(3)} ${wall.toFixed(3)}`);
}
