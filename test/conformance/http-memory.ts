/**
 * Large bodies in flat memory: the server runs in this process, the client in another, and what the process holds is
 * sampled while hundreds of MiB pass through it.
 */
import { spawn } from 'node:child_process';
import type { Test } from 'tap';
import { systemClock } from '../../fabric/clock.ts';
import { type HttpEngineName, listen } from '../../fabric/http/engine.ts';

const MIB = 1024 * 1024;
const BODY_BYTES = 256 * MIB;
const GROWTH_BYTES_MAX = 96 * MIB;
const SAMPLE_MS = 20;

/** Run by the other process: argv is PUT or GET, the port, the number of bytes. */
const CLIENT = `
const http = require('node:http');
const [method, port, bytes] = process.argv.slice(1);
const request = http.request({ method, port, host: '127.0.0.1', headers: method === 'PUT' ? { 'content-length': bytes } : {} });
request.on('response', (response) => {
  let got = 0;
  response.on('data', (piece) => { got += piece.length; if (method === 'PUT') process.stdout.write(piece); });
  response.on('end', () => { if (method === 'GET') process.stdout.write(String(got)); });
});
const piece = Buffer.alloc(1 << 20);
let left = method === 'PUT' ? bytes / piece.length : 0;
const write = () => { while (left > 0) { left--; if (!request.write(piece)) return request.once('drain', write); } request.end(); };
write();
`;

export async function flatMemory(t: Test, engine: HttpEngineName, bodyBytes: number = BODY_BYTES): Promise<void> {
  const listener = await listen(
    engine,
    async (request) => {
      if (request.method === 'GET') return { status: 200, headers: [], lengthBytes: bodyBytes, body: zeros(bodyBytes) };
      let bytes = 0;
      for (let chunk = await request.body.read(); chunk !== undefined; chunk = await request.body.read()) {
        bytes += chunk.byteLength;
        // A consumer slower than the client, so that backpressure has to work.
        if (bytes % (8 * MIB) < chunk.byteLength) await systemClock.sleep(1);
      }
      return { status: 200, headers: [], body: String(bytes) };
    },
    { host: '127.0.0.1', port: 0 },
    { clock: systemClock, onError: (error) => t.fail(String(error)) },
  );
  t.teardown(() => listener.drain(1_000));
  for (const method of ['PUT', 'GET']) {
    const { answer, curveMiB } = await sampled(method, listener.port, bodyBytes);
    t.equal(answer, String(bodyBytes), `${method}: every byte`);
    const growth = Math.max(...curveMiB) - curveMiB[0]!;
    t.ok(growth < GROWTH_BYTES_MAX / MIB, `${method}: resident MiB over time: ${curveMiB.join(' ')}`);
  }
}

function zeros(bytes: number): { next(): Promise<Uint8Array | undefined>; cancel(): void } {
  const piece = Buffer.alloc(MIB);
  let left = bytes / MIB;
  return { next: async () => (left-- > 0 ? piece : undefined), cancel: () => {} };
}

async function sampled(method: string, port: number, bytes: number): Promise<{ answer: string; curveMiB: number[] }> {
  const curveMiB = [Math.round(process.memoryUsage.rss() / MIB)];
  const child = spawn(process.execPath, ['-e', CLIENT, method, String(port), String(bytes)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 120_000,
  });
  let answer = '';
  let done = false;
  child.stdout.on('data', (text: Buffer) => {
    answer += text.toString();
  });
  child.once('close', () => {
    done = true;
  });
  while (!done) {
    await systemClock.sleep(SAMPLE_MS);
    curveMiB.push(Math.round(process.memoryUsage.rss() / MIB));
  }
  const step = Math.ceil(curveMiB.length / 40);
  const peak = Math.max(...curveMiB);
  return { answer, curveMiB: [...curveMiB.filter((_, i) => i % step === 0), peak] };
}
