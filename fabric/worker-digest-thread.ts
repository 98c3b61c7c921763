/** The thread behind worker-digest.ts: one running MD5 a body, answers in order. */
import { createHash, type Hash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { assert } from './assert.ts';
import type { DigestAnswer, DigestRequest } from './worker-digest.ts';

const port = parentPort;
assert(port !== null, 'worker-digest-thread runs as a worker only');
const hashes = new Map<number, Hash>();

port.on('message', (request: DigestRequest) => {
  const { id } = request;
  const hash = hashes.get(id) ?? createHash('md5');
  if ('bytes' in request) {
    hashes.set(id, hash);
    hash.update(request.bytes);
    port.postMessage({ id } satisfies DigestAnswer);
    return;
  }
  hashes.delete(id);
  if (request.end === 'hex') port.postMessage({ id, hex: hash.digest('hex') } satisfies DigestAnswer);
});
