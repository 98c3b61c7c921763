/** A device in a temporary directory, for tests: real disk and LMDB unless told otherwise; everything is removed at the end. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../fabric/clock.ts';
import { openLmdb } from '../fabric/lmdb.ts';
import { createSeededRandom } from '../fabric/random.ts';
import type { ByteStream } from '../fabric/rpc/contract.ts';
import { makeStamp, type Stamp } from '../fabric/stamp.ts';
import { systemDisk } from '../fabric/system-disk.ts';
import {
  CHUNK_BYTES,
  encodeChunkHead,
  encodeHead,
  FLAG_TOMBSTONE,
  type Key,
  KIND,
  type Mutation,
  makeKey,
} from '../object-server/contract.ts';
import type { Device } from '../object-server/device.ts';
import { type OpenDeviceOptions, openDevice } from '../object-server/open-device.ts';

export const CLUSTER = 'c1'.repeat(16);
const NO_SETTLED = makeStamp(0, 0);

export interface Bed {
  readonly directory: string;
  open(options?: Partial<OpenDeviceOptions>): Promise<Device>;
  remove(): void;
}

export function createBed(): Bed {
  const directory = mkdtempSync(join(tmpdir(), 'needletail-device-'));
  const opened: Device[] = [];
  return {
    directory,
    async open(options = {}) {
      const device = await openDevice({
        directory,
        deviceId: 3,
        clusterId: CLUSTER,
        disk: systemDisk,
        openKv: (path) => openLmdb({ path }),
        clock: systemClock,
        random: createSeededRandom(opened.length + 1),
        ...options,
        limits: { reserveBytesMin: 0, reserveBytes: 0, ...options.limits },
      });
      opened.push(device);
      return device;
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

export const stampAt = (ticks: number, writer = 1): Stamp => makeStamp(ticks, writer);

/** An object key whose hash is the number, written big. */
export function objectKey(number: number, kind: (typeof KIND)[keyof typeof KIND] = KIND.object, rest = ''): Key {
  const hash = Buffer.alloc(16);
  hash.writeUInt32BE(number >>> 0, 0);
  return makeKey(hash.toString('latin1'), stampAt(1), kind, rest);
}

export interface PutFields {
  readonly body?: Buffer | string | undefined;
  readonly stamp?: Stamp;
  readonly refs?: Buffer;
  readonly meta?: Buffer;
}

export function put(key: Key, ballot: Stamp, { body, stamp = ballot, refs, meta }: PutFields = {}): Mutation {
  const bytes = body === undefined ? undefined : Buffer.from(body);
  return { head: encodeHead({ key, ballot, stamp, body: bytes, refs, ...(meta ? { meta } : {}) }), body: bytes };
}

export function remove(key: Key, ballot: Stamp): Mutation {
  return { head: encodeHead({ key, ballot, stamp: ballot, flags: FLAG_TOMBSTONE }) };
}

export async function apply(device: Device, ...mutations: Mutation[]): Promise<string[]> {
  const outcomes = await device.apply(mutations, { writer: 1, settled: NO_SETTLED });
  return outcomes.map((outcome) => ('ballot' in outcome ? `${outcome.result} ${outcome.ballot}` : outcome.result));
}

export async function bodyOf(device: Device, key: Key): Promise<string | undefined> {
  const { head, body } = await device.read(key, true);
  return head ? (body?.toString('latin1') ?? '') : undefined;
}

/** Chunk heads and payloads of `bytes`, cut into buffers of at most `pieceBytes`. */
export function blobStream(id: Buffer, bytes: Buffer, pieceBytes = 300_000): ByteStream {
  const pieces: Buffer[] = [];
  for (let index = 0; index * CHUNK_BYTES < bytes.length; index++) {
    const payload = bytes.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES);
    pieces.push(encodeChunkHead(id, index, payload));
    for (let at = 0; at < payload.length; at += pieceBytes) pieces.push(payload.subarray(at, at + pieceBytes));
  }
  return { next: async () => pieces.shift(), cancel: () => void pieces.splice(0) };
}

export async function collect(stream: ByteStream): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for (let part = await stream.next(); part; part = await stream.next()) parts.push(part);
  return Buffer.concat(parts);
}
