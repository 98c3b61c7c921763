/**
 * Keys of the one ordered keyspace that every device holds. All registers of one name lie together, and all names of one
 * partition lie together (the partition is the top bits of the hash), so that digests, catch-up and part-power changes are
 * ranges. Keys are latin1 strings, one character a byte (fabric/kv.ts).
 *
 *      0        1                    17                   25     26
 *     +--------+--------------------+--------------------+------+----------------- - -
 *     | space  | MD5 of the path 16 | incarnation 8      | kind | rest, by kind
 *     +--------+--------------------+--------------------+------+----------------- - -
 *
 *     space   01 replicated   02 handoff copies   03 the device's own bookkeeping
 *     kind    10 object       rest: nothing                     hash of /account/container/object
 *             11 part         rest: upload id 16, part u16      "
 *             12 upload       rest: upload id 16                "
 *             13 version      rest: inverted stamp 8 (ff…ff: the null version)   "
 *             14 blob         rest: blob id 16                  "
 *             15 pin          rest: pin id 16; keeps blobs for a server-side copy elsewhere
 *             20 container    rest: nothing, incarnation 0      hash of /account/container
 *             21 row          rest: shard u16, table u8, name   "   (tables: 0 current, 1 versions, 2 uploads,
 *                                                                  3 expiring: proxy/object/expiry-index.ts)
 *             30 account      rest: nothing, incarnation 0      hash of /account
 *             31 account row  rest: shard u16, container name   "
 *             40 bucket       rest: nothing, incarnation 0      hash of /.buckets/name
 *
 *     handoff: 02, target device u16, then the replicated key from its byte 1 on.
 *
 * The incarnation of an object, row, part … is its container's creation stamp (8 bytes): a bucket that was deleted and
 * made again never shows what an earlier one held. Format version 1; a new layout takes a new space byte.
 */
import { assert } from '../fabric/assert.ts';
import type { Stamp } from '../fabric/stamp.ts';

export type Key = string;

export const SPACE_REPLICATED = '\x01';
export const SPACE_HANDOFF = '\x02';
export const SPACE_LOCAL = '\x03';

export const KIND = {
  object: '\x10',
  part: '\x11',
  upload: '\x12',
  version: '\x13',
  blob: '\x14',
  pin: '\x15',
  container: '\x20',
  row: '\x21',
  account: '\x30',
  accountRow: '\x31',
  bucket: '\x40',
} as const;
export type Kind = (typeof KIND)[keyof typeof KIND];

export const TABLE = { current: 0, versions: 1, uploads: 2, expiring: 3 } as const;
export type Table = (typeof TABLE)[keyof typeof TABLE];

export const HASH_AT = 1;
export const KIND_AT = 25;
export const REST_AT = 26;
const NO_INCARNATION = '\0\0\0\0\0\0\0\0';

/** `hash` is the 16 bytes of the path's MD5 as a latin1 string. */
export function makeKey(hash: string, incarnation: Stamp | undefined, kind: Kind, rest = ''): Key {
  return SPACE_REPLICATED + hash + (incarnation ? packHex(incarnation) : NO_INCARNATION) + kind + rest;
}

export function rowRest(table: Table, name: string, shard = 0): string {
  return packU16(shard) + String.fromCharCode(table) + utf8ToLatin1(name);
}

export function accountRowRest(containerName: string, shard = 0): string {
  return packU16(shard) + utf8ToLatin1(containerName);
}

export function partRest(uploadId: string, partNumber: number): string {
  return packHex(uploadId) + packU16(partNumber);
}

export function keyKind(key: Key): Kind {
  return key[KIND_AT] as Kind;
}

/** First four bytes of the path hash, as the ring wants them. */
export function keyHashPrefix(key: Key): number {
  return ((key.charCodeAt(1) << 24) | (key.charCodeAt(2) << 16) | (key.charCodeAt(3) << 8) | key.charCodeAt(4)) >>> 0;
}

export function handoffKey(target: number, key: Key): Key {
  return SPACE_HANDOFF + packU16(target) + key.slice(1);
}

export function handoffTarget(key: Key): number {
  return (key.charCodeAt(1) << 8) | key.charCodeAt(2);
}

export function handoffOriginal(key: Key): Key {
  return SPACE_REPLICATED + key.slice(3);
}

/** The smallest key above every key that starts with `prefix`. */
export function afterPrefix(prefix: Key): Key {
  let end = prefix.length;
  while (end > 0 && prefix.charCodeAt(end - 1) === 0xff) end--;
  assert(end > 0, 'no key follows this prefix');
  return prefix.slice(0, end - 1) + String.fromCharCode(prefix.charCodeAt(end - 1) + 1);
}

/** Hex digits to bytes, as a latin1 string. */
export function packHex(hex: string): string {
  return Buffer.from(hex, 'hex').toString('latin1');
}

export function unpackHex(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('hex');
}

export function packU16(value: number): string {
  return String.fromCharCode(value >> 8, value & 0xff);
}

/** A name as it is in JavaScript to the bytes of its UTF-8 form; the identity for ASCII. */
export function utf8ToLatin1(name: string): string {
  for (let i = 0; i < name.length; i++) {
    if (name.charCodeAt(i) > 0x7f) return Buffer.from(name, 'utf8').toString('latin1');
  }
  return name;
}

export function latin1ToUtf8(bytes: string): string {
  for (let i = 0; i < bytes.length; i++) {
    if (bytes.charCodeAt(i) > 0x7f) return Buffer.from(bytes, 'latin1').toString('utf8');
  }
  return bytes;
}
