// Thousands of odd requests against the handler: none may meet a bug (500), and every answer must be fit for the wire.
import process from 'node:process';
import t from 'tap';
import type { HttpRequest } from '../../fabric/http/contract.ts';
import { createSeededRandom } from '../../fabric/random.ts';
import { createMemoryWorld, OWNER } from '../../test/memory-world.ts';
import { createTokens } from '../auth/token.ts';
import { createSwiftHandler } from './handler.ts';

const REQUESTS = 20_000;
const METHODS = [
  'GET',
  'GET',
  'GET',
  'HEAD',
  'PUT',
  'PUT',
  'PUT',
  'PUT',
  'POST',
  'DELETE',
  'COPY',
  'OPTIONS',
  'PATCH',
  '',
];
const PIECES = [
  'c',
  'c',
  'd',
  'o',
  'slo',
  '',
  '%',
  '%00',
  '%2F',
  '%e5%ad%97',
  '%ff',
  '..',
  '\xe5\xad\x97',
  '\xff',
  '+',
  ' ',
  'x'.repeat(300),
  'y'.repeat(1100),
];
const PARAMETERS = [
  'format',
  'prefix',
  'delimiter',
  'marker',
  'end_marker',
  'limit',
  'reverse',
  'path',
  'multipart-manifest',
  'bulk-delete',
  '__proto__',
  '%',
];
const VALUES = [
  '',
  'json',
  'xml',
  'put',
  'get',
  'delete',
  'true',
  '0',
  '1',
  '99999',
  '-1',
  '1e9',
  '*',
  '/',
  'c/o',
  '/c/o',
  'c',
  '%',
  '%zz',
  '\xff',
  'bytes=0-',
  'bytes=-1',
  'bytes=0-0,0-0,1-1,0-',
  'bytes=9-1',
  '"a"',
  'W/"a", *',
  'Sat, 21 Nov 2026 11:41:48 GMT',
  '.r:*',
  '.r:',
  '.rlistings,a:b',
  'nonsense;q=x, */*;q=0',
  'application/json',
  'text/x; charset=\xe5',
  'd41d8cd98f00b204e9800998ecf8427e',
  '99999999999999999999',
  'AUTH_other',
  'v'.repeat(300),
];
const HEADERS = [
  'range',
  'range',
  'range',
  'if-none-match',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
  'accept',
  'content-type',
  'content-length',
  'etag',
  'destination',
  'destination-account',
  'x-copy-from',
  'x-copy-from-account',
  'x-fresh-metadata',
  'x-object-manifest',
  'x-delete-at',
  'x-delete-after',
  'x-object-meta-a',
  'x-object-meta-',
  'x-object-meta-__proto__',
  'x-container-meta-a',
  'x-remove-container-meta-a',
  'x-container-read',
  'x-container-write',
  'x-storage-policy',
  'x-account-meta-quota-bytes',
  'x-detect-content-type',
  'x-trans-id-extra',
  'x-auth-token',
  'content-encoding',
  'constructor',
];
const BODIES = [
  '',
  'x',
  '[]',
  '{',
  '[{"path":"/c/o"}]',
  '[{"path":"/c/slo"},{"data":"eA=="}]',
  '[{"path":"c/o","range":"-1"}]',
  '[{"path":"/c/o","size_bytes":-1,"etag":5}]',
  '[null,[],1,{"__proto__":{}}]',
  '['.repeat(100_000),
  '/c/o\n%\nd',
  '\xff',
];

t.test('no request meets a bug', async (t): Promise<void> => {
  const seed = Number(process.env['SEED'] ?? 20_261_121);
  t.comment(`SEED=${seed}`);
  const random = createSeededRandom(seed);
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
  const errors: object[] = [];
  const world = createMemoryWorld(errors);
  const handler = createSwiftHandler(world);
  const { token } = createTokens({ secret: world.tokenSecret, users: world.users, clock: world.clock }).issue(OWNER);
  const statuses = new Set<number>();
  for (let i = 0; i < REQUESTS; i++) {
    const request = makeRequest(pick, random.below, token);
    const response = await handler(request);
    const shown = () =>
      JSON.stringify([request.method, request.path, request.query, request.headerLines()]).slice(0, 2000);
    statuses.add(response.status);
    if (errors.length > 0 || response.status >= 500) {
      t.fail(`${response.status} for ${shown()}`, { errors });
      return;
    }
    for (const text of response.headers) {
      if (typeof text !== 'string' || /[^\t\x20-\xff]|\x7f/.test(text)) {
        t.fail(`header ${JSON.stringify(text)} for ${shown()}`);
        return;
      }
    }
    if (typeof response.body === 'object' && 'next' in response.body) await drain(response.body);
  }
  for (const status of [200, 201, 202, 204, 206, 400, 401, 403, 404, 405, 412, 416]) {
    t.ok(statuses.has(status), `${status} was among the answers`);
  }
});

function makeRequest(pick: <T>(list: readonly T[]) => T, below: (limit: number) => number, token: string): HttpRequest {
  const path = makePath(pick, below);
  const pairs = Array.from({ length: below(3) }, () => `${pick(PARAMETERS)}=${pick(VALUES)}`);
  const lines = ['host', 'h'];
  if (below(10) > 0) lines.push('x-auth-token', token);
  for (let count = below(4); count > 0; count--) lines.push(pick(HEADERS), pick(VALUES));
  const headers = new Map<string, string>();
  for (let i = 0; i < lines.length; i += 2) {
    if (!headers.has(lines[i] as string)) headers.set(lines[i] as string, lines[i + 1] as string);
  }
  const bytes = Buffer.from(pick(BODIES), 'latin1');
  let left: Buffer | undefined = bytes;
  return {
    method: pick(METHODS),
    path,
    query: pairs.length > 0 ? pairs.join('&') : undefined,
    headers,
    headerLines: () => lines,
    body: {
      lengthBytes: below(2) === 0 ? bytes.length : undefined,
      async read() {
        const piece = left;
        left = undefined;
        return piece;
      },
      collect: async () => bytes,
    },
    remoteAddress: '127.0.0.1',
    tls: false,
    signal: new AbortController().signal,
  };
}

/** Every other one is a place where something is. */
function makePath(pick: <T>(list: readonly T[]) => T, below: (limit: number) => number): string {
  if (below(2) === 0) return `/v1/AUTH_test${pick(['', '/c', '/c/o', '/c/o', '/c/slo', '/d'])}`;
  if (below(15) === 0) return pick(['', '/', '/info', '/auth/v1.0', '/v1']);
  const account = below(20) === 0 ? pick(PIECES) : pick(['AUTH_test', 'AUTH_test', 'AUTH_test', 'AUTH_other']);
  return `/v1/${[account, ...Array.from({ length: below(4) }, () => pick(PIECES))].join('/')}`;
}

/** A broken manifest may end a body early: that is no bug. */
async function drain(body: { next(): Promise<unknown> }): Promise<void> {
  try {
    while (await body.next());
  } catch {
    return;
  }
}
