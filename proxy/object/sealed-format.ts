/**
 * Bytes of an encrypted body as they lie on disks (docs/adr/0015-encryption.md, docs/formats/sealed.md). A stream is the
 * body of one upload or of one part; it is cut into segments that can be read alone. Pure: keys in, bytes out.
 *
 *     stream   | segment 0 | segment 1 | … | segment n |          each but the last 65,536 bytes, as a block of a blob
 *     segment  | ciphertext, 65,520 bytes or what is left | tag, 16 |        the last may be empty: then it is its tag
 *     nonce    | 0 0 0 0 0 0 0 | number of the segment, u32 | 1 for the last, else 0 |
 *     key      HKDF-SHA256 of the data key, salt: 16 bytes of the stream's own, info: INFO
 *     direct   a stream inside a register whose data key was made for it alone: key is the data key, no salt (INLINE_DIRECT)
 *
 * AES-256-GCM. Key and nonce never come together twice: the salt is random for each stream (the id of the blob, or the
 * record's), and a data key that encrypts directly encrypts nothing else, nor is anything derived from it. A segment that was moved, cut off, put before another or taken from another stream does not open.
 */
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import { Fault } from '../../fabric/errors.ts';
import { storeFaults } from './contract.ts';

export const TAG_BYTES = 16;
/** As the blocks that devices check: a range that lies in one segment touches one block. */
export const SEALED_SEGMENT_BYTES = 65_536;
export const PLAIN_SEGMENT_BYTES = SEALED_SEGMENT_BYTES - TAG_BYTES;
export const DATA_KEY_BYTES = 32;
export const SALT_BYTES = 16;
/** In the record of a body that its data key encrypts directly; version 1, which had a salt, says nothing there. */
export const INLINE_DIRECT = 2;
const INFO = 'needletail sealed body, version 1, AES-256-GCM, segments of 65520 bytes';
const NONCE_BYTES = 12;
const CIPHER = 'aes-256-gcm';

/** Bytes of a stream with so many of plain text. */
export function sealedBytes(plainBytes: number): number {
  return plainBytes + TAG_BYTES * segmentCount(plainBytes);
}

export function plainBytes(sealed: number): number {
  return sealed - TAG_BYTES * Math.ceil(sealed / SEALED_SEGMENT_BYTES);
}

export function segmentCount(plain: number): number {
  return Math.max(1, Math.ceil(plain / PLAIN_SEGMENT_BYTES));
}

/** `salt`: latin1 or bytes. */
export function streamKey(dataKey: Uint8Array, salt: string | Uint8Array): Buffer {
  const bytes = typeof salt === 'string' ? Buffer.from(salt, 'latin1') : salt;
  return Buffer.from(hkdfSync('sha256', dataKey, bytes, INFO, DATA_KEY_BYTES));
}

/** Of a stream inside a register. Fault DataLost for a version that is not known here. */
export function inlineKey(dataKey: Uint8Array, { salt, inline }: InlineStream): Uint8Array {
  if (inline === undefined) return streamKey(dataKey, salt ?? '');
  if (inline !== INLINE_DIRECT) throw new Fault(storeFaults.dataLost, { inline }, 'encrypted in a way not known here');
  return dataKey;
}

export interface InlineStream {
  readonly salt?: Uint8Array | undefined;
  readonly inline?: number | undefined;
}

function nonceOf(index: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeUInt32BE(index, 7);
  nonce[NONCE_BYTES - 1] = isLast ? 1 : 0;
  return nonce;
}

export interface SegmentPlace {
  readonly key: Uint8Array;
  readonly index: number;
  readonly isLast: boolean;
}

export function sealSegment(plain: Uint8Array, place: SegmentPlace): Buffer {
  const sealed = Buffer.allocUnsafe(plain.length + TAG_BYTES);
  sealInto(sealed, 0, plain, place);
  return sealed;
}

/** Writes the segment into `out` from `at`. */
export function sealInto(out: Buffer, at: number, plain: Uint8Array, { key, index, isLast }: SegmentPlace): void {
  const cipher = createCipheriv(CIPHER, key, nonceOf(index, isLast));
  out.set(cipher.update(plain), at);
  cipher.final();
  out.set(cipher.getAuthTag(), at + plain.length);
}

/** Fault DataLost when it is not what was sealed here. */
export function openSegment(sealed: Uint8Array, { key, index, isLast }: SegmentPlace): Buffer {
  const end = sealed.length - TAG_BYTES;
  if (end < 0) throw damaged(index);
  const decipher = createDecipheriv(CIPHER, key, nonceOf(index, isLast));
  decipher.setAuthTag(sealed.subarray(end));
  const plain = decipher.update(sealed.subarray(0, end));
  try {
    decipher.final();
  } catch {
    throw damaged(index);
  }
  return plain;
}

function damaged(index: number): Fault {
  return new Fault(storeFaults.dataLost, { segment: index }, 'an encrypted segment does not open');
}
