/* V8 as a peer of bench_churn: N worker threads share a module; each makes instances, calls them and lets them go.
 *
 *   node churn.mjs MODULE THREADS SECONDS
 *
 * Prints instantiations a second, all threads, and the median, p99 and p99.9 of one in nanoseconds.
 */
import { readFileSync } from 'node:fs';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';

if (isMainThread) {
    const [path, threads, seconds] = process.argv.slice(2);
    const module = new WebAssembly.Module(readFileSync(path));
    const results = await Promise.all(Array.from({ length: Number(threads) }, () => new Promise((resolve, reject) => {
        const worker = new Worker(new URL(import.meta.url), { workerData: { module, seconds: Number(seconds) } });
        worker.on('message', resolve);
        worker.on('error', reject);
    })));
    const all = results.flatMap((r) => Array.from(r.times)).sort((a, b) => a - b);
    const at = (percent) => Math.round(all[Math.min(all.length - 1, Math.floor(all.length * percent / 100))]);
    console.log(Math.round(results.reduce((sum, r) => sum + r.rate, 0)), at(50), at(99), at(99.9));
} else {
    const { module, seconds } = workerData;
    const imports = { env: { f: (x) => x } };
    const live = () => new WebAssembly.Instance(module, imports).exports.run();
    const expected = live();
    for (let i = 0; i < 100; i++) live();
    const times = [], start = performance.now(), end = start + seconds * 1000;
    let before = start;
    while (before < end) {
        if (live() !== expected) throw new Error('a new instance has what an old one left');
        const after = performance.now();
        times.push((after - before) * 1e6);
        before = after;
    }
    parentPort.postMessage({ rate: times.length / (before - start) * 1000, times: Float64Array.from(times) });
}
