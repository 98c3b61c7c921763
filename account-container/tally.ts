/**
 * Running totals of one table's live rows. Every change is an addition or its exact inverse, so any order of arrival
 * that ends in the same rows ends in the same tally. Never throws: it runs while the log is applied and replayed.
 */
import type { Stamp } from '../fabric/stamp.ts';
import { HEAD_FIXED_BYTES, headMeta, type Key, KIND, KIND_AT } from '../object-server/contract.ts';
import { laneA, laneB, readLanes } from './digest.ts';
import type { ContainerTotals, RowSums } from './page.ts';
import { type AccountRow, countedBytesAt, decodeRecord, ROW_FIXED_BYTES, rowPolicyAt } from './row-format.ts';

const BALLOT_AT = 16;

interface PolicySums {
  readonly policy: number;
  rowCount: number;
  objectCount: number;
  bytesUsed: number;
}

export class Tally {
  digestA = 0;
  digestB = 0;
  newestHigh = 0;
  newestLow = 0;
  /** One policy nearly always, so a search is cheaper than a map. */
  readonly sums: PolicySums[] = [];

  /** Counts a live row in (`sign` 1) or out (-1). `prefixLength`: where the name starts in the key. */
  count(key: Key, head: Buffer, prefixLength: number, sign: 1 | -1): void {
    readLanes(head, HEAD_FIXED_BYTES + prefixLength, HEAD_FIXED_BYTES + key.length);
    this.digestA = (this.digestA + sign * laneA) | 0;
    this.digestB = (this.digestB + sign * laneB) | 0;
    if (key[KIND_AT] === KIND.row) this.#countRow(head, HEAD_FIXED_BYTES + key.length, sign);
    else this.#countAccountRow(head, sign);
  }

  saw(head: Buffer): void {
    const high = head.readUInt32BE(BALLOT_AT);
    const low = head.readUInt32BE(BALLOT_AT + 4);
    if (high > this.newestHigh || (high === this.newestHigh && low > this.newestLow)) {
      this.newestHigh = high;
      this.newestLow = low;
    }
  }

  get empty(): boolean {
    return this.digestA === 0 && this.digestB === 0 && this.sums.length === 0;
  }

  snapshot(): ContainerTotals {
    const perPolicy: Record<number, RowSums> = {};
    let rowCount = 0;
    let objectCount = 0;
    let bytesUsed = 0;
    for (const sum of this.sums) {
      perPolicy[sum.policy] = { rowCount: sum.rowCount, objectCount: sum.objectCount, bytesUsed: sum.bytesUsed };
      rowCount += sum.rowCount;
      objectCount += sum.objectCount;
      bytesUsed += sum.bytesUsed;
    }
    const digest = hex8(this.digestA) + hex8(this.digestB);
    return {
      rowCount,
      objectCount,
      bytesUsed,
      perPolicy,
      digest,
      newest: (hex8(this.newestHigh) + hex8(this.newestLow)) as Stamp,
    };
  }

  #countRow(head: Buffer, metaAt: number, sign: 1 | -1): void {
    if (head.length < metaAt + ROW_FIXED_BYTES) this.#add(0, sign, sign, 0);
    else this.#add(rowPolicyAt(head, metaAt), sign, sign, sign * countedBytesAt(head, metaAt));
  }

  #countAccountRow(head: Buffer, sign: 1 | -1): void {
    const row = readAccountRow(head);
    if (row) this.#add(row.policy, sign, sign * row.objectCount, sign * row.bytesUsed);
    else this.#add(0, sign, 0, 0);
  }

  #add(policy: number, rows: number, objects: number, bytes: number): void {
    let sum = this.sums[0];
    if (sum?.policy !== policy) sum = this.#sumOf(policy);
    sum.rowCount += rows;
    sum.objectCount += objects;
    sum.bytesUsed += bytes;
    if (sum.rowCount === 0) this.sums.splice(this.sums.indexOf(sum), 1);
  }

  #sumOf(policy: number): PolicySums {
    for (const sum of this.sums) if (sum.policy === policy) return sum;
    const sum = { policy, rowCount: 0, objectCount: 0, bytesUsed: 0 };
    this.sums.push(sum);
    return sum;
  }
}

/** A row that does not decode counts as an empty container: its bytes are the same when it is counted out. */
function readAccountRow(head: Buffer): AccountRow | undefined {
  try {
    const row = decodeRecord<AccountRow>(headMeta(head));
    return Number.isFinite(row.objectCount) && Number.isFinite(row.bytesUsed) && row.policy >= 0 ? row : undefined;
  } catch {
    return undefined;
  }
}

const hex8 = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');
