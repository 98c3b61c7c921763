/** Signatures of both versions, and bodies in signed chunks. */
import assert from 'node:assert';
import { createHmac } from 'node:crypto';
import type { HttpRequest } from '../../fabric/http/contract.ts';
import type { Random } from '../../fabric/random.ts';
import { isSigv2, Sigv2 } from '../../proxy/auth/sigv2.ts';
import { Sigv4 } from '../../proxy/auth/sigv4.ts';
import { AwsChunkedBody } from '../../proxy/auth/sigv4-chunked.ts';
import { sigv4Faults } from '../../proxy/auth/sigv4-faults.ts';
import { SigningKeys } from '../../proxy/auth/sigv4-keys.ts';
import { isSignedByVersion2 } from '../../proxy/s3/route.ts';
import { createMemoryWorld, OWNER } from '../memory-world.ts';
import {
  bodyOf,
  makeRequest,
  plainChunks,
  presign,
  scopeOf,
  sha256Hex,
  signChunks,
  signHeaders,
} from '../s3-signer.ts';
import type { FuzzParser } from './contract.ts';

const CODES: ReadonlySet<string> = new Set([
  ...Object.values(sigv4Faults),
  'InvalidURI',
  'InvalidBucketName',
  'ExpiredToken',
]);
const world = createMemoryWorld();
const credentials = { ...OWNER, region: world.region };
const stamp = (): string => new Date(world.clock.nowMs()).toISOString().replace(/[-:]|\.\d+/g, '');
/** Nothing of a fuzzed request may be signed by accident: the seeds differ from it in what is signed. */
const WORDS = [
  'AWS4-HMAC-SHA256 ',
  'Credential=',
  'SignedHeaders=',
  'Signature=',
  'X-Amz-',
  'AWS ',
  'aws4_request',
  OWNER.accessKeyId,
];

/** `METHOD target\nname: value\n…`, as a request. */
function readRequest(input: Buffer): HttpRequest {
  const [start = '', ...lines] = input.toString('latin1').split('\n');
  const [method = '', target = ''] = start.split(' ', 2);
  const mark = target.indexOf('?');
  const headers = lines.flatMap((line) => {
    const colon = line.indexOf(':');
    return colon < 1 ? [] : [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  const path = mark < 0 ? target : target.slice(0, mark);
  return makeRequest({ method, path, query: mark < 0 ? undefined : target.slice(mark + 1), headers });
}

function writeRequest(method: string, target: string, headers: Readonly<Record<string, string>>): string {
  return [`${method} ${target}`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)].join('\n');
}

function version4(): string[] {
  const base = { method: 'GET', path: '/bucket/a%20b', query: 'x=1&y', timestamp: stamp() };
  const host = { host: 'localhost:9000' };
  const signed = signHeaders(credentials, {
    ...base,
    headers: { ...host, 'x-amz-meta-a': ' b  c ' },
    payload: sha256Hex(''),
  });
  const query = presign(credentials, { ...base, headers: host, payload: '' }, 300);
  const header = writeRequest('GET', '/bucket/a%20b?x=1&y', signed);
  return [header, writeRequest('GET', `/bucket/a%20b?${query}`, host), 'GET /\nhost: a'];
}

const signature4: FuzzParser = {
  name: 'signature-v4',
  open() {
    const sigv4 = new Sigv4(world);
    const seeds = version4();
    return {
      name: 'signature-v4',
      seeds,
      words: WORDS,
      codes: CODES,
      run(input) {
        const request = readRequest(input);
        const { user } = sigv4.authenticate(request);
        if (user === undefined) return 'anonymous';
        assert.equal(user, OWNER, 'nobody becomes somebody else');
        assert.equal(request.method, 'GET', 'what was signed');
        assert.equal(decodeURIComponent(request.path), '/bucket/a b', 'what was signed');
        return 'value';
      },
    };
  },
};

function version2(): string[] {
  const date = new Date(world.clock.nowMs()).toUTCString();
  const hmac = (text: string): string => createHmac('sha1', OWNER.secretAccessKey).update(text).digest('base64');
  const header = hmac(`GET\n\n\n${date}\n/bucket/key?acl`);
  const expires = Math.floor(world.clock.nowMs() / 1000) + 300;
  const query = encodeURIComponent(hmac(`GET\n\n\n${expires}\n/bucket/key`));
  const authorization = `AWS ${OWNER.accessKeyId}:${header}`;
  return [
    writeRequest('GET', '/bucket/key?acl', { host: 'localhost', date, authorization }),
    writeRequest('GET', `/bucket/key?AWSAccessKeyId=${OWNER.accessKeyId}&Expires=${expires}&Signature=${query}`, {
      host: 'localhost',
    }),
  ];
}

const signature2: FuzzParser = {
  name: 'signature-v2',
  open() {
    const { users, clock } = world;
    const sigv2 = new Sigv2({ users, clock, bucketOfHost: () => '', isSigned: isSignedByVersion2 });
    return {
      name: 'signature-v2',
      seeds: version2(),
      words: [...WORDS, 'AWSAccessKeyId=', 'Expires=', 'Signature='],
      codes: CODES,
      run(input) {
        const request = readRequest(input);
        if (!isSigv2(request)) return 'another';
        const { user } = sigv2.authenticate(request);
        assert.equal(user, OWNER, 'nobody becomes somebody else');
        return 'value';
      },
    };
  },
};

const CHUNK_BYTES = 8192;
const NAMES = ['x-amz-checksum-crc32'];

interface Framing {
  readonly isSigned: boolean;
  readonly trailers: Readonly<Record<string, string>> | undefined;
  readonly decoded: Buffer;
}

/** One byte says which mode, two how much is announced. */
function compose({ isSigned, trailers, decoded }: Framing, timestamp: string, seed: string): Buffer {
  const chunks: Buffer[] = [];
  for (let at = 0; at < decoded.length; at += CHUNK_BYTES) chunks.push(decoded.subarray(at, at + CHUNK_BYTES));
  const body = isSigned
    ? signChunks({ credentials, timestamp, seed, chunks, ...(trailers && { trailers }) })
    : plainChunks(chunks, trailers ?? {});
  const head = Buffer.alloc(3);
  head[0] = (isSigned ? 1 : 0) | (trailers ? 2 : 0);
  head.writeUInt16BE(decoded.length, 1);
  return Buffer.concat([head, body]);
}

const awsChunked: FuzzParser = {
  name: 'aws-chunked',
  open() {
    const timestamp = stamp();
    const seed = '0'.repeat(64);
    const scope = scopeOf(credentials, timestamp);
    const key = new SigningKeys().get(OWNER.accessKeyId, OWNER.secretAccessKey, scope);
    const trailers = { [NAMES[0] as string]: 'AAAAAA==' };
    const make = (random: Random): Buffer => {
      const decoded = random.bytes(random.below(3 * CHUNK_BYTES));
      const isSigned = random.below(2) === 0;
      return compose(
        { isSigned, trailers: isSigned && random.below(2) === 0 ? undefined : trailers, decoded },
        timestamp,
        seed,
      );
    };
    const texts = ['', 'hello', 'a'.repeat(20_000)].map((text) => Buffer.from(text));
    const framings = texts.flatMap((decoded) => [
      { isSigned: true, trailers: undefined, decoded },
      { isSigned: true, trailers, decoded },
      { isSigned: false, trailers, decoded },
    ]);
    return {
      name: 'aws-chunked',
      seeds: framings.map((framing) => compose(framing, timestamp, seed)),
      words: ['0\r\n\r\n', ';chunk-signature=', 'ffffffff', 'x-amz-trailer-signature:', '\r\n0\r\n'],
      make,
      codes: new Set([...CODES, 'BodyTooLarge']),
      async run(input, random) {
        if (input.length < 3) return 'short';
        const isSigned = ((input[0] as number) & 1) === 1;
        const hasTrailer = ((input[0] as number) & 2) === 2;
        const decodedBytes = input.readUInt16BE(1);
        const body = new AwsChunkedBody({
          source: bodyOf(inPieces(input.subarray(3), random)),
          decodedBytes,
          signing: isSigned ? { key, timestamp, scope, seedSignature: seed } : undefined,
          trailerNames: hasTrailer ? NAMES : undefined,
        });
        const pieces: Uint8Array[] = [];
        for (let piece = await body.read(); piece; piece = await body.read()) pieces.push(piece);
        const decoded = Buffer.concat(pieces);
        assert.equal(decoded.length, decodedBytes, 'as long as announced');
        // Who can sign is us alone: what is taken is what was made.
        const again = isSigned
          ? compose({ isSigned, trailers: hasTrailer ? trailers : undefined, decoded }, timestamp, seed).subarray(3)
          : undefined;
        if (again && !again.equals(input.subarray(3))) return 'signed, framed otherwise';
        return 'value';
      },
    };
  },
};

function inPieces(bytes: Buffer, random: Random): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + random.below(random.below(4) === 0 ? 8 : 5000);
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

export const AUTH_PARSERS: readonly FuzzParser[] = [signature4, signature2, awsChunked];
