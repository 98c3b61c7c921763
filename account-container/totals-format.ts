/**
 * Totals of one table as a device keeps them between starts, under a key of its own bookkeeping:
 *
 *     key    03 (space), 't', then the table's prefix from its byte 1 on
 *
 *      0    1    2          4           8           12         20
 *     +----+----+----------+-----------+-----------+----------+------------------------------------+----------+
 *     | v1 | 0  | policies | digest a  | digest b  | newest 8 | per policy 28: policy u32,         | xxh64 8  |
 *     +----+----+----------+-----------+-----------+----------+   rows f64, objects f64, bytes f64 +----------+
 *
 *     digest  two lanes, each the sum mod 2^32 of a hash of every live row (digest.ts)
 *     newest  greatest ballot applied, big-endian; everything else is little-endian
 *     xxh64   of everything before it
 */
import { xxh64 } from '../fabric/hash.ts';
import { type Key, SPACE_LOCAL } from '../object-server/contract.ts';
import { Tally } from './tally.ts';

const VERSION = 1;
const FIXED_BYTES = 20;
const POLICY_BYTES = 28;
const SUM_BYTES = 8;
const LOCAL_TAG = 't';

export function totalsKey(prefix: Key): Key {
  return SPACE_LOCAL + LOCAL_TAG + prefix.slice(1);
}

export function encodeTotals(tally: Tally): Buffer {
  const { sums } = tally;
  const sumAt = FIXED_BYTES + sums.length * POLICY_BYTES;
  const bytes = Buffer.alloc(sumAt + SUM_BYTES);
  bytes[0] = VERSION;
  bytes.writeUInt16LE(sums.length, 2);
  bytes.writeUInt32LE(tally.digestA >>> 0, 4);
  bytes.writeUInt32LE(tally.digestB >>> 0, 8);
  bytes.writeUInt32BE(tally.newestHigh, 12);
  bytes.writeUInt32BE(tally.newestLow, 16);
  sums.forEach((sum, i) => {
    const at = FIXED_BYTES + i * POLICY_BYTES;
    bytes.writeUInt32LE(sum.policy, at);
    bytes.writeDoubleLE(sum.rowCount, at + 4);
    bytes.writeDoubleLE(sum.objectCount, at + 12);
    bytes.writeDoubleLE(sum.bytesUsed, at + 20);
  });
  bytes.writeBigUInt64LE(xxh64(bytes.subarray(0, sumAt)), sumAt);
  return bytes;
}

/** undefined when the bytes are not what was written: the caller counts again. */
export function decodeTotals(bytes: Buffer): Tally | undefined {
  if (bytes.length < FIXED_BYTES + SUM_BYTES || bytes[0] !== VERSION) return undefined;
  const count = bytes.readUInt16LE(2);
  const sumAt = FIXED_BYTES + count * POLICY_BYTES;
  if (bytes.length !== sumAt + SUM_BYTES || bytes.readBigUInt64LE(sumAt) !== xxh64(bytes.subarray(0, sumAt)))
    return undefined;
  const tally = new Tally();
  tally.digestA = bytes.readInt32LE(4);
  tally.digestB = bytes.readInt32LE(8);
  tally.newestHigh = bytes.readUInt32BE(12);
  tally.newestLow = bytes.readUInt32BE(16);
  for (let at = FIXED_BYTES; at < sumAt; at += POLICY_BYTES) {
    tally.sums.push({
      policy: bytes.readUInt32LE(at),
      rowCount: bytes.readDoubleLE(at + 4),
      objectCount: bytes.readDoubleLE(at + 12),
      bytesUsed: bytes.readDoubleLE(at + 20),
    });
  }
  return tally;
}
