/* V8 under the load test: worker threads share a module; each makes instances, uses them by the module's script
 * (harness/script.h says what that is) and lets them go.
 *
 *   node node.mjs MODULE SCRIPT LINE WORKERS SECONDS COUNT WARM-UP ALIVE
 *
 * Into the file LINE: what tests/load/load --line writes. COUNT: lives of each worker; 0: as many as the seconds hold.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';

const PARTS_EVERY = 16, LIVES = 64;
const now = () => Number(process.hrtime.bigint());

/* ---- scripts ---- */

/* Numbers; what does not fit into one is compared with a 64-bit result. */
const sum = (text) => {
    const terms = text.split('+').map((term) => (/^[0-9]/.test(term) ? Number(term) : term));
    const constant = terms.reduce((total, term) => total + (typeof term === 'number' ? term : 0), 0);
    const names = terms.filter((term) => typeof term === 'string');
    if (!Number.isSafeInteger(constant)) return () => BigInt(text);
    if (names.length === 0) return () => constant;
    return (vars) => names.reduce((total, name) => total + vars[name], constant);
};

const readScript = (text) => {
    const script = { stubs: {}, steps: [] };
    for (const line of text.split('\n')) {
        const [kind, ...words] = line.replace(/#.*/, '').trim().split(/[ \t]+/);
        const step = { kind };
        if (kind === 'stub') {
            script.stubs[words[0]] = Number(words[1]);
            continue;
        } else if (kind === 'call') {
            [step.to, step.name] = words;
            step.args = words.slice(2).map(sum);
        } else if (kind === 'text') {
            const [, at, rest] = /^\s*text\s+(\S+)\s(.*)$/.exec(line.replace(/#.*/, ''));
            step.at = sum(at);
            step.text = rest.replaceAll('\\r', '\r').replaceAll('\\n', '\n');
        } else if (kind === 'load' || kind === 'expect') {
            [step.to, step.at] = [words[0], sum(words[1])];
        } else if (kind) {
            throw new Error(`there is no step ${kind}`);
        } else {
            continue;
        }
        script.steps.push(step);
    }
    return script;
};

const encoder = new TextEncoder();
const use = (script, { exports, memory }, n) => {
    const vars = { n, w: 0, len: 0 };
    for (const step of script.steps) {
        if (step.kind === 'call') {
            const result = exports[step.name](...step.args.map((arg) => arg(vars)));
            if (step.to !== '_') vars[step.to] = typeof result === 'bigint' ? result : Math.trunc(result);
        } else if (step.kind === 'text') {
            const bytes = encoder.encode(step.text.replaceAll('%n', n) + '\0');
            new Uint8Array(memory.buffer).set(bytes, step.at(vars));
            vars.len = bytes.length - 1;
        } else if (step.kind === 'load') {
            vars[step.to] = new DataView(memory.buffer).getInt32(step.at(vars), true);
        } else {
            const got = vars[step.to];
            if ((typeof got === 'bigint' ? BigInt.asUintN(64, got) : got) !== step.at(vars)) return false;
        }
    }
    return true;
};

/* ---- instances ---- */

/* Pages of an imported memory: reflection does not say, so they are read from the bytes. */
const importedMemory = (bytes) => {
    const leb = () => {
        let value = 0;
        for (let shift = 0; ; shift += 7) {
            const byte = bytes[at++];
            value += (byte & 127) * 2 ** shift;
            if (byte < 128) return value;
        }
    };
    let at = 8;
    while (at < bytes.length) {
        const id = bytes[at++], size = leb(), end = at + size;
        if (id === 2) {
            for (let count = leb(); count > 0; count--) {
                for (let i = 0; i < 2; i++) { const length = leb(); at += length; }
                const kind = bytes[at++];
                if (kind === 0) leb();
                else if (kind === 2) { const flags = bytes[at++], initial = leb(); return flags & 1 ? { initial, maximum: leb() } : { initial }; }
                else return undefined; /* a table or global before it: none of the scripts has that */
            }
        }
        at = end;
    }
    return undefined;
};

const maker = (module, descriptor, script) => {
    const imports = {}, list = WebAssembly.Module.imports(module);
    for (const { module: space, name, kind } of list) {
        const value = script.stubs[name] ?? 0;
        if (kind === 'function') (imports[space] ??= {})[name] = () => value;
    }
    const wanted = list.find(({ kind }) => kind === 'memory');
    const exported = WebAssembly.Module.exports(module).find(({ kind }) => kind === 'memory');
    return () => {
        let memory;
        if (wanted) memory = (imports[wanted.module] ??= {})[wanted.name] = new WebAssembly.Memory(descriptor);
        const { exports } = new WebAssembly.Instance(module, imports);
        return { exports, memory: memory ?? (exported && exports[exported.name]) };
    };
};

/* ---- the threads ---- */

if (isMainThread) {
    const [path, scriptPath, linePath, ...numbers] = process.argv.slice(2);
    const [count, seconds, lives, warmUp, alive] = numbers.map(Number);
    const bytes = readFileSync(path), module = new WebAssembly.Module(bytes), descriptor = importedMemory(bytes);
    const text = readFileSync(scriptPath, 'utf8');
    /* First, while nothing else has left garbage. */
    const script = readScript(text), make = maker(module, descriptor, script), kept = [], rss = process.memoryUsage.rss();
    for (let i = 0; i < alive; i++) {
        kept.push(make());
        if (!use(script, kept[i], i % LIVES)) throw new Error('a wrong value');
    }
    const each = (process.memoryUsage.rss() - rss) / alive / 1e3;
    kept.length = 0;
    const workers = Array.from({ length: count }, () => new Worker(new URL(import.meta.url),
        { workerData: { module, descriptor, text, seconds, lives, warmUp } }));
    const next = () => Promise.all(workers.map((worker) => new Promise((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
    })));
    await next();
    const before = process.cpuUsage(), done = next();
    for (const worker of workers) worker.postMessage('run');
    const results = await done, { user, system } = process.cpuUsage(before);
    const times = Float64Array.from(results.flatMap((r) => Array.from(r.times))).sort();
    const making = Float64Array.from(results.flatMap((r) => Array.from(r.making))).sort();
    const at = (sorted, percent) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * percent / 100))]);
    const total = results.reduce((all, r) => all + r.done, 0);

    const line = [results.reduce((all, r) => all + r.done / r.wall, 0).toFixed(1), (total / (user + system) * 1e6).toFixed(1),
        at(times, 50), at(times, 99), at(times, 99.9), at(making, 50), alive ? each.toFixed(1) : 'nan',
        results.reduce((all, r) => all + r.wrong, 0)].join(' ');
    let tail = '';
    for (let share = 1; share <= times.length; share *= 2) tail += `at ${share} ${at(times, 100 - 100 / share)}\n`;
    writeFileSync(linePath, `${line}\n${tail}`);
    process.exit(0);
} else {
    const { module, descriptor, text, seconds, lives, warmUp } = workerData;
    const script = readScript(text), make = maker(module, descriptor, script);
    let wrong = 0;
    for (let i = 0; i < warmUp; i++) wrong += !use(script, make(), i % LIVES);
    parentPort.once('message', () => {
        const times = [], making = [], start = now(), end = start + seconds * 1e9, most = lives || Infinity;
        let i = 0, before = start;
        for (; i < most && (lives || before < end); i++) {
            if (i % PARTS_EVERY === 0) {
                before = now();
                const instance = make(), made = now();
                making.push(made - before);
                wrong += !use(script, instance, i % LIVES);
            } else {
                before = now();
                wrong += !use(script, make(), i % LIVES);
                times.push(now() - before);
            }
        }
        parentPort.postMessage({ done: i, wrong, wall: (now() - start) / 1e9, times: Float64Array.from(times), making: Float64Array.from(making) });
    });
    parentPort.postMessage('ready');
}
