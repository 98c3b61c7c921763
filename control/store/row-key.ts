/**
 * Where things lie in the key-value map under the control store. Keys are latin1 byte strings (fabric/kv.ts):
 *
 *     d <table> 00 <key, UTF-8>      a row
 *     f <revision u64 big-endian>    an entry of the change feed
 *     s                              the state: format, revision
 */
import { Fault } from '../../fabric/errors.ts';
import type { KvKey, KvRange } from '../../fabric/kv.ts';
import { type ScanRange, STORE_KEY_BYTES_MAX, storeFaults } from '../contract.ts';

export const STATE_KEY: KvKey = 's';
const TOP = '\xff';

export function rowKey(table: string, key: string): KvKey {
  const bytes = `d${table}\0${toBytes(key)}`;
  if (bytes.length > STORE_KEY_BYTES_MAX) throw new Fault(storeFaults.tooLarge, { table }, 'the key is too long');
  return bytes;
}

export function parseRowKey(key: KvKey): { table: string; key: string } {
  const end = key.indexOf('\0');
  return { table: key.slice(1, end), key: fromBytes(key.slice(end + 1)) };
}

export function feedKey(revision: number): KvKey {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64BE(BigInt(revision));
  return `f${bytes.toString('latin1')}`;
}

/** Bounds of a scan. UTF-8 has no byte FF, so a prefix ends before itself and FF. */
export function rowRange(table: string, { prefix = '', start, after, end }: ScanRange): KvRange {
  const base = rowKey(table, '');
  let low = base + toBytes(prefix);
  let high = `${low}${TOP}`;
  for (const bound of [start, after === undefined ? undefined : `${after}\0`]) {
    if (bound !== undefined && base + toBytes(bound) > low) low = base + toBytes(bound);
  }
  if (end !== undefined && base + toBytes(end) < high) high = base + toBytes(end);
  return { start: low, end: high };
}

function toBytes(text: string): string {
  return ASCII.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}

function fromBytes(bytes: string): string {
  return ASCII.test(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8');
}

const ASCII = /^[\0-\x7f]*$/;
