/**
 * Moves what is in memory into the index, now and then, as one durable transaction that also says which log position it
 * covers: at start only the log behind it is replayed. Registers, bookkeeping and projections are taken in one synchronous
 * step, so that they agree. It decides when; an idle device does no I/O.
 */

import type { Clock, Timer } from '../fabric/clock.ts';
import { diskFaults } from '../fabric/disk.ts';
import { Fault, isFault } from '../fabric/errors.ts';
import type { Kv, KvPut } from '../fabric/kv.ts';
import type { Lsn, Projection } from './contract.ts';
import { deviceFaults } from './faults.ts';
import type { FrozenTable } from './index.ts';
import { packU16 } from './key-format.ts';
import type { DeviceLimits } from './limits.ts';
import { encodeCheckpoint, encodeMarks, encodeUnsettled, encodeUsage, LOCAL, seal } from './local-format.ts';
import { compareKeys } from './memtable.ts';
import type { Registers } from './registers.ts';
import type { UnsettledOperation } from './unsettled.ts';

const UNSETTLED_PER_VALUE = 512;
const ENCODE_SLICE = 512;

/** One transaction: registers, then bookkeeping. */
interface Work {
  readonly table: FrozenTable;
  readonly puts: readonly KvPut[];
  readonly covered: Lsn;
}

export interface CheckpointLog {
  readonly tail: Lsn;
  readonly out: Fault | undefined;
  whenSynced<T>(value: T): Promise<T>;
}

export interface CheckpointerOptions {
  readonly registers: Registers;
  /** The log, or what stands for it during replay. */
  readonly log: () => CheckpointLog;
  readonly kv: Kv;
  readonly clock: Clock;
  readonly limits: DeviceLimits;
  readonly projections: readonly Projection[];
  readonly covered: Lsn;
  readonly feedOldest: Lsn;
  readonly unsettledValues: number;
  /** A commit failed for another reason than space. */
  readonly onFailed: (fault: Fault) => void;
}

export class Checkpointer {
  readonly #options: CheckpointerOptions;
  #covered: Lsn;
  #coveredUsageDirty = false;
  #feedOldest: Lsn;
  #unsettledValues: number;
  #running: Promise<void> | undefined;
  #again = false;
  /** A transaction that found no space: tried again before anything newer. */
  #refused: Work | undefined;
  #timer: Timer | undefined;
  #lastWriteMs = 0;
  #closed = false;
  /** What became of the transaction is unknown: nothing is ever tried again. */
  #failed = false;

  constructor(options: CheckpointerOptions) {
    this.#options = options;
    this.#covered = options.covered;
    this.#feedOldest = options.feedOldest;
    this.#unsettledValues = options.unsettledValues;
  }

  /** Everything below is in the index. */
  get covered(): Lsn {
    return this.#covered;
  }

  get feedOldest(): Lsn {
    return this.#feedOldest;
  }

  /** The feed has a hole below `oldest`; durable with the next checkpoint. */
  setFeedOldest(oldest: Lsn): void {
    if (oldest <= this.#feedOldest) return;
    this.#feedOldest = oldest;
    this.#coveredUsageDirty = true;
  }

  /** After every write: starts a checkpoint when one is due. Cheap. */
  wrote(): void {
    if (this.#closed) return;
    const { registers, limits, clock, log } = this.#options;
    const { activeRecords } = registers.index;
    if (activeRecords >= limits.checkpointRecords || log().tail - this.#covered >= limits.checkpointTailBytes) {
      if (!this.#running) void this.run();
    } else if (!this.#timer) this.#timer = clock.after(limits.checkpointIdleMs, () => this.#idle());
    this.#lastWriteMs = clock.monotonicMs();
  }

  #idle(): void {
    const { clock, limits } = this.#options;
    this.#timer = undefined;
    if (this.#closed) return;
    const restMs = this.#lastWriteMs + limits.checkpointIdleMs - clock.monotonicMs();
    if (restMs > 1) this.#timer = clock.after(restMs, () => this.#idle());
    else void this.run();
  }

  /** Resolves when everything applied before the call is in the index (or the device is out). */
  run(): Promise<void> {
    if (this.#running) {
      this.#again = true;
      return this.#running;
    }
    this.#running = this.#loop().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #loop(): Promise<void> {
    do {
      this.#again = false;
      const refused = this.#refused;
      const work = refused ?? this.#take();
      if (!work) return;
      this.#refused = undefined;
      if (!(await this.#commit(work))) return;
      if (refused) this.#again = true;
    } while (this.#again && !this.#closed);
  }

  #take(): Work | undefined {
    const { registers, projections } = this.#options;
    const { index } = registers;
    const log = this.#options.log();
    if (log.out || this.#failed) return undefined;
    const local = registers.takeLocal();
    if (index.activeRecords === 0 && local.size === 0 && log.tail === this.#covered && !this.#coveredUsageDirty) return;
    this.#coveredUsageDirty = false;
    const covered = log.tail;
    const puts = this.#bookkeeping(covered);
    for (const put of local) puts.push(put);
    for (const projection of projections) puts.push(...projection.checkpoint());
    // Space bytes order the keyspace: own and projections' bookkeeping (03) after registers (01) and handoffs (02).
    puts.sort((a, b) => compareKeys(a[0], b[0]));
    return { table: index.freeze(), puts, covered };
  }

  /** A slice a turn: requests go on in between. */
  async #encode({ table, puts }: Work): Promise<readonly KvPut[]> {
    const { clock } = this.#options;
    while (table.encode(ENCODE_SLICE)) await new Promise<void>((resolve) => clock.nextTurn(resolve));
    return [...table.puts, ...puts];
  }

  #bookkeeping(covered: Lsn): KvPut[] {
    const { registers } = this.#options;
    const { unsettled, usage, maxStamp, handoffCopies } = registers;
    const record = encodeCheckpoint({ covered, oldest: this.#feedOldest, maxStamp, handoffCopies });
    const puts: KvPut[] = [
      [LOCAL.checkpoint, seal(record)],
      [LOCAL.marks, seal(encodeMarks(unsettled.marks()))],
      [LOCAL.usage, seal(encodeUsage(usage.records()))],
    ];
    const operations: UnsettledOperation[] = [...unsettled.operations()];
    const values = Math.ceil(operations.length / UNSETTLED_PER_VALUE);
    for (let i = 0; i < Math.max(values, this.#unsettledValues); i++) {
      const part = operations.slice(i * UNSETTLED_PER_VALUE, (i + 1) * UNSETTLED_PER_VALUE);
      puts.push([LOCAL.unsettled + packU16(i), part.length > 0 ? seal(encodeUnsettled(part)) : null]);
    }
    this.#unsettledValues = values;
    return puts;
  }

  async #commit(work: Work): Promise<boolean> {
    const { registers, kv, log, onFailed } = this.#options;
    try {
      // The index must never point at a record that a crash could take away.
      const synced = log().whenSynced(undefined);
      const [puts] = await Promise.all([this.#encode(work), synced]);
      await kv.commit(puts);
    } catch (error) {
      if (log().out) return false;
      if (isFault(error, diskFaults.full)) this.#refused = work;
      else {
        this.#failed = true;
        onFailed(isFault(error) ? error : new Fault(deviceFaults.out, {}, String(error)));
      }
      return false;
    }
    registers.index.flushed();
    this.#covered = work.covered;
    return true;
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }
}
