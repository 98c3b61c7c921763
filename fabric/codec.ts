/**
 * msgpack, by the one file that imports msgpackr. Plain data only: objects, arrays, strings, numbers, booleans, null,
 * undefined, Uint8Array. No record structures (every buffer decodes by itself, on any version), int64 as numbers.
 *
 * `encode` gives a buffer that is the caller's: it stays valid and unchanged. It is a view of a slab of 8 KiB or more,
 * which lives as long as it does: copy a small one that is kept for long. `encodeHoisted` gives scratch space instead,
 * which the next encode of any kind overwrites: copy it out at once.
 */
import { addExtension, Packr } from 'msgpackr';

/** Extension type of a hoisted buffer: its length as a number; its bytes stand in the raw section, in order. */
const HOISTED_TYPE = 0x48;
/** Hoisted buffers below this are copied on decode; larger ones are views of the raw section. */
export const VIEW_BYTES_MIN = 1024;
const REUSE_AND_RESET = 512 | 1024;

/** The scratch space of msgpackr after an encode in reuse mode. */
interface Scratch extends Buffer {
  start: number;
  end: number;
}

/** Buffers that travel beside a msgpack value, in order. */
export class Hoist {
  readonly buffers: Uint8Array[] = [];
  bytes = 0;
}

type Allocate = (bytes: number) => { target: Buffer; targetView: DataView; position: number };

let hoist: Hoist | undefined;
let raw: Buffer | undefined;
let rawOffset = 0;

function packInline(bytes: Uint8Array, allocate: Allocate): void {
  const length = bytes.length;
  const headBytes = length < 0x100 ? 2 : length < 0x10000 ? 3 : 5;
  const { target, targetView, position } = allocate(headBytes + length);
  target[position] = headBytes === 2 ? 0xc4 : headBytes === 3 ? 0xc5 : 0xc6;
  if (headBytes === 2) target[position + 1] = length;
  else if (headBytes === 3) targetView.setUint16(position + 1, length);
  else targetView.setUint32(position + 1, length);
  target.set(bytes, position + headBytes);
}

function writeHoisted(bytes: Uint8Array): number {
  hoist?.buffers.push(bytes);
  if (hoist) hoist.bytes += bytes.length;
  return bytes.length;
}

function readHoisted(length: unknown): Buffer {
  const start = rawOffset;
  if (typeof length !== 'number' || !(length >= 0) || raw === undefined || start + length > raw.length)
    throw new RangeError('hoisted buffer past the raw section');
  rawOffset = start + length;
  const view = raw.subarray(start, rawOffset);
  return length < VIEW_BYTES_MIN ? Buffer.from(view) : view;
}

/** msgpackr takes `write` (tag and replacement value: no closure, no copy) before `pack`; it is set only while hoisting. */
const byteExtension: Record<string, unknown> = {
  Class: Uint8Array,
  type: HOISTED_TYPE,
  write: undefined,
  pack: packInline,
  read: readHoisted,
};
addExtension(byteExtension as unknown as Parameters<typeof addExtension>[0]);

const packr = new Packr({
  useRecords: false,
  variableMapSize: true,
  mapsAsObjects: true,
  int64AsType: 'number',
  bundleStrings: false,
  // Small values must not keep a whole receive buffer or disk block alive.
  copyBuffers: true,
} as ConstructorParameters<typeof Packr>[0]);
const packScratch = packr.pack as unknown as (value: unknown, options: number) => Scratch;

export function encode(value: unknown): Buffer {
  return packr.pack(value);
}

/** Throws on anything malformed, including bytes left over. Buffers inside the value are copies. */
export function decode(buffer: Uint8Array): unknown {
  return packr.unpack(buffer as Buffer);
}

/** As `encode`, but buffers are pushed to `into`, not copied. The result is scratch: copy its `start` to `end`. */
export function encodeHoisted(value: unknown, into: Hoist): Scratch {
  hoist = into;
  byteExtension['write'] = writeHoisted;
  try {
    return packScratch(value, REUSE_AND_RESET);
  } finally {
    byteExtension['write'] = undefined;
    hoist = undefined;
  }
}

/** The inverse: buffers of 1 KiB or more in the value are views of `rawSection`, smaller ones copies. Throws as `decode`. */
export function decodeHoisted(buffer: Uint8Array, rawSection: Buffer): unknown {
  raw = rawSection;
  rawOffset = 0;
  try {
    const value: unknown = packr.unpack(buffer as Buffer);
    if (rawOffset !== rawSection.length) throw new RangeError('raw bytes left over');
    return value;
  } finally {
    raw = undefined;
  }
}
