/* The script of posts.txt under node (node posts.mjs posts.txt): what each port got, as lines, port by port. */
import { readFileSync } from 'node:fs';
import { MessageChannel, Worker } from 'node:worker_threads';

const ports = {}, logs = {}, closed = new Set();
let woken = () => {};

function log(name, text) {
  (logs[name] ??= []).push(text);
  woken();
}

function describe(name, data) {
  if (Array.isArray(data)) return `same ${data[0] === data[1]}`;
  if (data instanceof ArrayBuffer) return `buffer ${data.byteLength}`;
  if (data instanceof WebAssembly.Memory) return `shared ${data.buffer.byteLength}`;
  if (data?.take) {
    ports[data.take] = data.port;
    return `take ${data.take}`;
  }
  return data;
}

function attempt(name, action) {
  try {
    action();
    log('script', `${name} ok`);
  } catch (error) {
    log('script', `${name} ${error.name}`);
  }
}

const worker_code = `require('node:worker_threads').parentPort.on('message', port =>
  port.on('message', text => text === 'leave' ? process.exit() : port.postMessage('worker: ' + text)))`;

const commands = {
  channel(a, b) {
    const channel = new MessageChannel();
    ports[a] = channel.port1;
    ports[b] = channel.port2;
  },
  listen(a) {
    ports[a].on('close', () => closed.has(a) || log(a, 'close'));
    ports[a].on('message', data => log(a, describe(a, data)));
  },
  async wait(a, count) {
    while ((logs[a]?.length ?? 0) < +count) await new Promise(resolve => woken = resolve);
  },
  post(a, text) { ports[a].postMessage(text); },
  move(a, b, take) { ports[a].postMessage({ take, port: ports[b] }, [ports[b]]); },
  transfer(a, b) {
    if (a !== b) closed.add(b);
    attempt(`transfer ${a} ${b}`, () => ports[a].postMessage('lost', [ports[b]]));
  },
  same(a) { const object = {}; ports[a].postMessage([object, object]); },
  buffer(a, size) {
    const buffer = new ArrayBuffer(+size);
    ports[a].postMessage(buffer, [buffer]);
    log('script', `buffer ${buffer.byteLength}`);
  },
  shared(a) { ports[a].postMessage(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true })); },
  table(a) {
    const table = new WebAssembly.Table({ initial: 1, element: 'anyfunc' });
    attempt(`table ${a}`, () => ports[a].postMessage(table));
  },
  close(a) { closed.add(a); ports[a].close(); },
  worker(a) { new Worker(worker_code, { eval: true }).postMessage(ports[a], [ports[a]]); },
};

process.removeAllListeners('warning'); // that the target port was posted to itself
for (const line of readFileSync(process.argv[2], 'utf8').split('\n')) {
  const words = line.split(' ');
  if (words[0] && words[0] !== '#') await commands[words[0]]?.(...words.slice(1));
}
for (const name of Object.keys(logs).sort()) for (const text of logs[name]) console.log(`${name}: ${text}`);
process.exit();
