/**
 * Operations of which this device does not know that they are complete everywhere (ADR 3): per writer a queue in order of
 * arrival, cut when the writer's settled mark moves. On the path of every write, so it only pushes and shifts; a late
 * arrival behind a newer one leaves the queue a little later, and listing skips it.
 */
import { NO_STAMP, type Stamp } from '../fabric/stamp.ts';
import type { Lsn } from './contract.ts';
import type { Key } from './key-format.ts';
import type { UnsettledRecord } from './local-format.ts';

export interface UnsettledOperation {
  readonly stamp: Stamp;
  readonly keys: Key[];
  readonly lsn: Lsn;
  readonly arrivedMs: number;
}

class Writer {
  mark: Stamp = NO_STAMP;
  queue: UnsettledOperation[] = [];
  /** Queue elements before this one are gone. */
  first = 0;
}

const COMPACT_AT = 1024;

export class Unsettled {
  readonly #writers = new Map<number, Writer>();
  #dirtyMarks = false;

  /** `stamp` is the ballot; its low 12 bits name the writer. Consecutive keys of one stamp make one operation. */
  add(stamp: Stamp, key: Key, lsn: Lsn, arrivedMs: number): void {
    const writer = this.#writer(writerOf(stamp));
    if (stamp < writer.mark) return;
    const last = writer.queue.at(-1);
    if (last?.stamp === stamp && writer.queue.length > writer.first) last.keys.push(key);
    else writer.queue.push({ stamp, keys: [key], lsn, arrivedMs });
  }

  settle(id: number, mark: Stamp): void {
    const writer = this.#writer(id);
    if (mark <= writer.mark) return;
    writer.mark = mark;
    this.#dirtyMarks = true;
    const { queue } = writer;
    while (writer.first < queue.length && (queue[writer.first] as UnsettledOperation).stamp < mark) writer.first++;
    if (writer.first === queue.length) {
      queue.length = 0;
      writer.first = 0;
    } else if (writer.first > COMPACT_AT) {
      queue.splice(0, writer.first);
      writer.first = 0;
    }
  }

  #writer(id: number): Writer {
    let writer = this.#writers.get(id);
    if (!writer) {
      writer = new Writer();
      this.#writers.set(id, writer);
    }
    return writer;
  }

  /** Whether a mark moved since the last call. */
  takeDirty(): boolean {
    const dirty = this.#dirtyMarks;
    this.#dirtyMarks = false;
    return dirty;
  }

  *marks(): Iterable<[number, Stamp]> {
    for (const [id, writer] of this.#writers) if (writer.mark !== NO_STAMP) yield [id, writer.mark];
  }

  *operations(): Iterable<UnsettledOperation> {
    for (const { queue, first, mark } of this.#writers.values()) {
      for (let i = first; i < queue.length; i++) {
        const operation = queue[i] as UnsettledOperation;
        if (operation.stamp >= mark) yield operation;
      }
    }
  }

  get count(): number {
    let count = 0;
    for (const { queue, first } of this.#writers.values()) count += queue.length - first;
    return count;
  }

  /** The lowest position of an unsettled operation. */
  lowestLsn(): Lsn | undefined {
    let lowest: Lsn | undefined;
    for (const { lsn } of this.operations()) if (lowest === undefined || lsn < lowest) lowest = lsn;
    return lowest;
  }

  /** Oldest arrivals first. */
  olderThan(arrivedBeforeMs: number, limit: number): UnsettledOperation[] {
    const old = [...this.operations()].filter((operation) => operation.arrivedMs <= arrivedBeforeMs);
    return old.sort((a, b) => a.arrivedMs - b.arrivedMs).slice(0, limit);
  }

  restore(marks: Iterable<readonly [number, Stamp]>, records: Iterable<UnsettledRecord>): void {
    for (const [id, mark] of marks) this.settle(id, mark);
    for (const record of records) {
      const writer = this.#writer(writerOf(record.stamp));
      if (record.stamp >= writer.mark) writer.queue.push({ ...record, keys: [...record.keys] });
    }
    this.#dirtyMarks = false;
  }
}

export const writerOf = (stamp: Stamp): number => Number.parseInt(stamp.slice(13), 16);
