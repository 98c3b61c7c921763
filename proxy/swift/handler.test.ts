// What no client can be made to provoke on demand: every failure of the store, TLS addresses, damaged worlds.
import t from 'tap';
import { Fault, fabricFaults } from '../../fabric/errors.ts';
import type { HttpRequest, HttpResponse } from '../../fabric/http/contract.ts';
import { makeStamp } from '../../fabric/stamp.ts';
import { createMemoryWorld, OWNER } from '../../test/memory-world.ts';
import { createTokens } from '../auth/token.ts';
import type { ProxyWorld } from '../contract.ts';
import { type ObjectInfo, type Store, storeFaults } from '../object/contract.ts';
import { createSwiftHandler } from './handler.ts';

function request(method: string, target: string, headers: Record<string, string> = {}, tls = false): HttpRequest {
  const [path = '', query] = target.split('?');
  const lines = Object.entries({ host: 'h:1', ...headers }).flat();
  return {
    method,
    path,
    query,
    headers: new Map(Object.entries({ host: 'h:1', ...headers })),
    headerLines: () => lines,
    body: { lengthBytes: 0, read: async () => undefined, collect: async () => Buffer.alloc(0) },
    remoteAddress: '127.0.0.1',
    tls,
    signal: new AbortController().signal,
  };
}

function header(response: HttpResponse, name: string): string | undefined {
  const at = response.headers.findIndex((value, i) => i % 2 === 0 && value === name);
  return at < 0 ? undefined : response.headers[at + 1];
}

function tokenOf(world: ProxyWorld): string {
  return createTokens({ secret: world.tokenSecret, users: world.users, clock: world.clock }).issue(OWNER).token;
}

/** GET of an object from a store that fails so. */
async function failing(error: unknown, errors: object[] = []): Promise<HttpResponse> {
  const world = createMemoryWorld(errors);
  const getObject = (): Promise<never> => Promise.reject(error);
  const handler = createSwiftHandler({ ...world, store: { getObject } as unknown as Store });
  return handler(request('GET', '/v1/AUTH_test/c/o', { 'x-auth-token': tokenOf(world) }));
}

const S3_ONLY: readonly string[] = [
  storeFaults.invalidPart,
  storeFaults.invalidPartOrder,
  storeFaults.partTooSmall,
  storeFaults.aclNotSupported,
  storeFaults.malformedPolicy,
  storeFaults.invalidTag,
  storeFaults.tooManyTags,
  storeFaults.noObjectLock,
  storeFaults.noKeyManager,
];

t.test('every fault has its status', async (t) => {
  const statuses: Record<string, number> = {
    AccessDenied: 403,
    NoSuchAccount: 404,
    AccountDeleted: 404,
    NoSuchContainer: 404,
    NoSuchObject: 404,
    NoSuchUpload: 404,
    NoSuchVersion: 404,
    IsDeleteMarker: 404,
    ContainerNotEmpty: 409,
    BucketTaken: 409,
    ContainerExists: 409,
    PolicyMismatch: 409,
    InvalidBucketState: 409,
    'KMS.NotFoundException': 503,
    PreconditionFailed: 412,
    NotModified: 304,
    ConditionalConflict: 409,
    BadDigest: 422,
    BodyTooLarge: 413,
    QuotaExceeded: 413,
    IncompleteBody: 499,
    LengthRequired: 411,
    InvalidRange: 416,
    InvalidName: 400,
    TooMuchMetadata: 400,
    BrokenManifest: 409,
    TooManyLinks: 409,
    LinkChanged: 409,
    QuorumUnavailable: 503,
    InsufficientStorage: 507,
    DataLost: 500,
  };
  for (const code of Object.values(storeFaults).filter((code) => !S3_ONLY.includes(code))) {
    const response = await failing(new Fault(code));
    t.equal(response.status, statuses[code], code);
    t.match(header(response, 'X-Trans-Id'), /^tx/);
  }
  for (const code of [fabricFaults.overloaded, fabricFaults.unreachable, fabricFaults.deadline]) {
    const response = await failing(new Fault(code));
    t.match([response.status, header(response, 'Retry-After')], [503, '1'], code);
  }
});

t.test('a bug is a 500 with a trace, and tells the client nothing', async (t) => {
  for (const bug of [new TypeError('secret detail'), new Fault('NeverHeardOf', {}, 'secret detail'), 'secret detail']) {
    const errors: object[] = [];
    const response = await failing(bug, errors);
    t.equal(response.status, 500);
    t.notMatch(String(response.body), 'secret');
    t.match(errors, [{ transId: header(response, 'X-Trans-Id'), err: bug }]);
  }
});

t.test('a client that left is the engine’s business', async (t) => {
  await t.rejects(failing(new Fault(fabricFaults.aborted)), { code: fabricFaults.aborted });
});

t.test('304 carries the validators', async (t) => {
  const info = { etag: 'abc', stamp: makeStamp(1_700_000_000_12345, 1), headers: {} } as unknown as ObjectInfo;
  const response = await failing(new Fault(storeFaults.notModified, { info }));
  t.equal(header(response, 'Etag'), 'abc');
  t.equal(header(response, 'X-Timestamp'), '1700000000.12345');
  t.equal(header(response, 'Last-Modified'), 'Tue, 14 Nov 2023 22:13:21 GMT');
  t.equal(response.body, undefined);
});

t.test('the storage address is where the client is', async (t) => {
  const handler = createSwiftHandler(createMemoryWorld());
  const user = { 'x-auth-user': 'test:tester', 'x-auth-key': 'testing' };
  const url = async (host: string, tls: boolean): Promise<string | undefined> =>
    header(await handler(request('GET', '/auth/v1.0', { ...user, host }, tls)), 'X-Storage-Url');
  t.equal(await url('store.example', true), 'https://store.example/v1/AUTH_test');
  t.equal(await url('[::1]:8080', false), 'http://[::1]:8080/v1/AUTH_test');
  t.equal(await url('evil/path?', false), undefined);
  t.equal((await handler(request('POST', '/auth/v1.0', user))).status, 405);
});

t.test('policies by name or alias', async (t) => {
  const info = { swift: { policies: [{ name: 'gold', aliases: 'gold, yellow', default: true }, { name: 'silver' }] } };
  const world = { ...createMemoryWorld(), info };
  const handler = createSwiftHandler(world);
  const token = { 'x-auth-token': tokenOf(world) };
  const put = async (name: string, policy: string): Promise<number> =>
    (await handler(request('PUT', `/v1/AUTH_test/${name}`, { ...token, 'x-storage-policy': policy }))).status;
  t.equal(await put('a', 'Silver'), 201);
  t.equal(await put('b', 'yellow'), 201);
  t.equal(await put('c', 'bronze'), 400);
  t.equal(await put('a', 'gold'), 409, 'a container keeps its policy');
  const head = async (name: string) => handler(request('HEAD', `/v1/AUTH_test/${name}`, token));
  t.equal(header(await head('a'), 'X-Storage-Policy'), 'silver');
  t.equal(header(await head('b'), 'X-Storage-Policy'), 'gold');
});
