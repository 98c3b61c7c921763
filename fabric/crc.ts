/**
 * Cyclic redundancy checks: CRC-32 (ISO-HDLC), CRC-32C (Castagnoli) and CRC-64/NVME, running, one-shot and combined.
 * The only file that imports @node-rs/crc32. CRC-64/NVME is table-driven, eight bytes a step in two 32-bit lanes, since
 * JavaScript has no fast 64-bit integers. All three are reflected, start with all ones and end inverted.
 */
import { crc32, crc32c } from '@node-rs/crc32';
import { assert } from './assert.ts';

export type CrcName = 'crc32' | 'crc32c' | 'crc64nvme';

export interface RunningCrc {
  update(bytes: Uint8Array): void;
  /** Big-endian, 4 or 8 bytes. */
  digest(): Buffer;
}

export function createCrc(name: CrcName): RunningCrc {
  return name === 'crc64nvme' ? new Crc64Nvme() : new Crc32(name === 'crc32' ? crc32 : crc32c);
}

class Crc32 implements RunningCrc {
  readonly #kernel: (bytes: Uint8Array, state: number) => number;
  #state = 0;

  constructor(kernel: (bytes: Uint8Array, state: number) => number) {
    this.#kernel = kernel;
  }

  update(bytes: Uint8Array): void {
    this.#state = this.#kernel(bytes, this.#state);
  }

  digest(): Buffer {
    const out = Buffer.allocUnsafe(4);
    out.writeUInt32BE(this.#state >>> 0);
    return out;
  }
}

/** Reflected generator 0xAD93D23594C93659 (NVM Express, NVM Command Set Specification 1.0, §5.2.1.3.4). */
const NVME_HIGH = 0x9a6c9329 | 0;
const NVME_LOW = 0xac4bc9b5 | 0;

/** Tables for the byte at distance 0 … 7 from the end of a step, 256 entries each. Built at the first use: 2 KiB × 8. */
let tableHigh: Int32Array | undefined;
let tableLow: Int32Array | undefined;

function buildTables(): void {
  const high = new Int32Array(8 * 256);
  const low = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let h = 0;
    let l = byte;
    for (let bit = 0; bit < 8; bit++) {
      const carry = l & 1;
      l = (l >>> 1) | (h << 31);
      h >>>= 1;
      if (carry === 1) {
        h ^= NVME_HIGH;
        l ^= NVME_LOW;
      }
    }
    high[byte] = h;
    low[byte] = l;
  }
  for (let i = 256; i < 8 * 256; i++) {
    const h = high[i - 256]!;
    const l = low[i - 256]!;
    high[i] = (h >>> 8) ^ high[l & 0xff]!;
    low[i] = ((l >>> 8) | (h << 24)) ^ low[l & 0xff]!;
  }
  tableHigh = high;
  tableLow = low;
}

/** The aligned whole words inside; every platform of Node is little-endian. */
function wordsOf(bytes: Uint8Array): Int32Array {
  const lead = Math.min(bytes.length, -bytes.byteOffset & 3);
  return new Int32Array(bytes.buffer, (bytes.byteOffset + lead) & ~3, (bytes.length - lead) >>> 2);
}

class Crc64Nvme implements RunningCrc {
  #high = -1;
  #low = -1;

  update(bytes: Uint8Array): void {
    if (tableHigh === undefined) buildTables();
    const th = tableHigh!;
    const tl = tableLow!;
    const words = wordsOf(bytes);
    const lead = Math.min(bytes.length, -bytes.byteOffset & 3);
    this.#bytes(bytes, 0, lead);
    let high = this.#high;
    let low = this.#low;
    const count = words.length & ~1;
    for (let at = 0; at < count; at += 2) {
      const a = low ^ words[at]!;
      const b = high ^ words[at + 1]!;
      const i0 = 1792 | (a & 0xff);
      const i1 = 1536 | ((a >>> 8) & 0xff);
      const i2 = 1280 | ((a >>> 16) & 0xff);
      const i3 = 1024 | (a >>> 24);
      const i4 = 768 | (b & 0xff);
      const i5 = 512 | ((b >>> 8) & 0xff);
      const i6 = 256 | ((b >>> 16) & 0xff);
      const i7 = b >>> 24;
      high = th[i0]! ^ th[i1]! ^ th[i2]! ^ th[i3]! ^ th[i4]! ^ th[i5]! ^ th[i6]! ^ th[i7]!;
      low = tl[i0]! ^ tl[i1]! ^ tl[i2]! ^ tl[i3]! ^ tl[i4]! ^ tl[i5]! ^ tl[i6]! ^ tl[i7]!;
    }
    this.#high = high;
    this.#low = low;
    this.#bytes(bytes, lead + count * 4, bytes.length);
  }

  /** One byte at a time: what comes before and after whole, aligned steps. */
  #bytes(bytes: Uint8Array, from: number, to: number): void {
    const th = tableHigh!;
    const tl = tableLow!;
    let high = this.#high;
    let low = this.#low;
    for (let at = from; at < to; at++) {
      const index = (low ^ bytes[at]!) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ tl[index]!;
      high = (high >>> 8) ^ th[index]!;
    }
    this.#high = high;
    this.#low = low;
  }

  digest(): Buffer {
    const out = Buffer.allocUnsafe(8);
    out.writeUInt32BE(~this.#high >>> 0, 0);
    out.writeUInt32BE(~this.#low >>> 0, 4);
    return out;
  }
}

/** A polynomial over GF(2), reflected: bit 63 (or 31 for the 32-bit ones) is the coefficient of 1. */
interface Field {
  readonly bits: 32 | 64;
  readonly polynomial: bigint;
}

const FIELDS: Readonly<Record<CrcName, Field>> = {
  crc32: { bits: 32, polynomial: 0xedb88320n },
  crc32c: { bits: 32, polynomial: 0x82f63b78n },
  crc64nvme: { bits: 64, polynomial: 0x9a6c9329ac4bc9b5n },
};

/**
 * CRCs of concatenations from the CRCs of their pieces: crc(A‖B) = crc(A)·x^(8·|B|) + crc(B) modulo the generator.
 * One combiner for one object: the power for the usual part size is worked out once.
 */
export class CrcCombiner {
  readonly #field: Field;
  #crc = 0n;
  #powerBytes = -1;
  #power = 0n;

  constructor(name: CrcName) {
    this.#field = FIELDS[name];
  }

  /** Appends a piece of `sizeBytes` with this CRC (big-endian). */
  append(crc: Uint8Array, sizeBytes: number): void {
    assert(crc.length * 8 === this.#field.bits, 'a CRC of the right width');
    if (sizeBytes !== this.#powerBytes) {
      this.#powerBytes = sizeBytes;
      this.#power = powerOfX(BigInt(sizeBytes) * 8n, this.#field);
    }
    const value = BigInt(`0x${Buffer.from(crc).toString('hex')}`);
    this.#crc = multiply(this.#crc, this.#power, this.#field) ^ value;
  }

  digest(): Buffer {
    return Buffer.from(this.#crc.toString(16).padStart(this.#field.bits / 4, '0'), 'hex');
  }
}

function multiply(a: bigint, b: bigint, field: Field): bigint {
  let product = 0n;
  let factor = b;
  for (let bit = 1n << BigInt(field.bits - 1); bit !== 0n; bit >>= 1n) {
    if ((a & bit) !== 0n) product ^= factor;
    factor = (factor & 1n) === 0n ? factor >> 1n : (factor >> 1n) ^ field.polynomial;
  }
  return product;
}

/** x^exponent modulo the generator, by squaring. */
function powerOfX(exponent: bigint, field: Field): bigint {
  const one = 1n << BigInt(field.bits - 1);
  let result = one;
  let square = one >> 1n;
  for (let left = exponent; left !== 0n; left >>= 1n) {
    if ((left & 1n) === 1n) result = multiply(result, square, field);
    square = multiply(square, square, field);
  }
  return result;
}
