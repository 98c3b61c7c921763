/**
 * The hello: what is said before a connection is trusted. Fixed binary layouts and at most 1 KiB a message, so that nothing
 * of ours parses msgpack for a stranger. Numbers little-endian; text is one length byte and UTF-8.
 *
 *      0        4      5        7
 *     +--------+------+--------+---------+
 *     | "NTRP" | type | length | payload |
 *     +--------+------+--------+---------+
 *
 *     1 HELLO      client   version min u8, version max u8, nonce 32, cluster id, node name
 *     2 CHALLENGE  server   version u8, nonce 32, node name
 *     3 PROOF      client   HMAC-SHA256(secret, "needletail rpc client\0", HELLO payload, CHALLENGE payload)
 *     4 WELCOME    server   HMAC-SHA256(secret, "needletail rpc server\0", HELLO payload, CHALLENGE payload)
 *     5 REFUSE     server   reason (text); the connection is closed after it
 *
 * The client proves first, so that a stranger gets nothing to work on. This layout itself never changes: versions are
 * agreed by it. The MACs cover every byte of it, so a checksum would add nothing.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

const MAGIC = 0x5052544e;
const HEAD_BYTES = 7;
export const HELLO_BYTES_MAX = 1024;
export const NONCE_BYTES = 32;
const MAC_BYTES = 32;
const TEXT_BYTES_MAX = 255;

export const helloTypes = { hello: 1, challenge: 2, proof: 3, welcome: 4, refuse: 5 } as const;

export interface Versions {
  readonly min: number;
  readonly max: number;
}

/** What this build speaks. */
export const RPC_VERSIONS: Versions = { min: 1, max: 1 };

export interface Hello {
  readonly versions: Versions;
  readonly nonce: Buffer;
  readonly clusterId: string;
  readonly name: string;
}

export interface Challenge {
  readonly version: number;
  readonly nonce: Buffer;
  readonly name: string;
}

export class MalformedHello extends Error {
  override readonly name = 'MalformedHello';
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8').subarray(0, TEXT_BYTES_MAX);
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}

/** Reads a text at `at`; gives it and the position after it. */
function readText(payload: Buffer, at: number): { value: string; end: number } {
  const length = payload[at];
  if (length === undefined || at + 1 + length > payload.length) throw new MalformedHello('text is cut short');
  return { value: payload.toString('utf8', at + 1, at + 1 + length), end: at + 1 + length };
}

export function encodeHello(hello: Hello): Buffer {
  const versions = Buffer.of(hello.versions.min, hello.versions.max);
  return Buffer.concat([versions, hello.nonce, text(hello.clusterId), text(hello.name)]);
}

export function decodeHello(payload: Buffer): Hello {
  if (payload.length < 2 + NONCE_BYTES) throw new MalformedHello('hello is cut short');
  const cluster = readText(payload, 2 + NONCE_BYTES);
  const name = readText(payload, cluster.end);
  if (name.end !== payload.length) throw new MalformedHello('bytes after the hello');
  const versions = { min: payload[0] ?? 0, max: payload[1] ?? 0 };
  return { versions, nonce: payload.subarray(2, 2 + NONCE_BYTES), clusterId: cluster.value, name: name.value };
}

export function encodeChallenge(challenge: Challenge): Buffer {
  return Buffer.concat([Buffer.of(challenge.version), challenge.nonce, text(challenge.name)]);
}

export function decodeChallenge(payload: Buffer): Challenge {
  if (payload.length < 1 + NONCE_BYTES) throw new MalformedHello('challenge is cut short');
  const name = readText(payload, 1 + NONCE_BYTES);
  if (name.end !== payload.length) throw new MalformedHello('bytes after the challenge');
  return { version: payload[0] ?? 0, nonce: payload.subarray(1, 1 + NONCE_BYTES), name: name.value };
}

export function encodeRefuse(reason: string): Buffer {
  return text(reason);
}

export function decodeRefuse(payload: Buffer): string {
  return readText(payload, 0).value;
}

/** MAC of one role over both messages; `hello` and `challenge` are payloads as they went over the wire. */
export function handshakeMac(
  role: 'client' | 'server',
  secret: Uint8Array | string,
  hello: Buffer,
  challenge: Buffer,
): Buffer {
  return createHmac('sha256', secret).update(`needletail rpc ${role}\0`).update(hello).update(challenge).digest();
}

export function macEquals(a: Buffer, b: Buffer): boolean {
  return a.length === MAC_BYTES && b.length === MAC_BYTES && timingSafeEqual(a, b);
}

export function frameHello(type: number, payload: Buffer): Buffer {
  const framed = Buffer.alloc(HEAD_BYTES + payload.length);
  framed.writeUInt32LE(MAGIC, 0);
  framed[4] = type;
  framed.writeUInt16LE(payload.length, 5);
  payload.copy(framed, HEAD_BYTES);
  return framed;
}

/** One message of the front of `bytes` and what follows it; undefined when it is not complete yet. */
export function unframeHello(bytes: Buffer): { type: number; payload: Buffer; rest: Buffer } | undefined {
  if (bytes.length >= 4 && bytes.readUInt32LE(0) !== MAGIC) throw new MalformedHello('not a Needletail peer');
  if (bytes.length < HEAD_BYTES) return undefined;
  const end = HEAD_BYTES + bytes.readUInt16LE(5);
  if (end > HELLO_BYTES_MAX) throw new MalformedHello('hello is too long');
  if (bytes.length < end) return undefined;
  return { type: bytes[4] ?? 0, payload: Buffer.from(bytes.subarray(HEAD_BYTES, end)), rest: bytes.subarray(end) };
}
