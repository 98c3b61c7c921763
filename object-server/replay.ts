/**
 * Brings the registers up to date with the log behind the last checkpoint, at start. Its cost grows with that tail, not with
 * the data. Here it is decided what damage means: below a position known to have been synced it is rot (set aside,
 * reported, the rest goes on); above it the tail was torn by a crash and nobody was ever told of it: it is cut off.
 */
import type { Clock } from '../fabric/clock.ts';
import type { Checkpointer, CheckpointLog } from './checkpointer.ts';
import type { Lsn } from './contract.ts';
import { decodeMarks } from './local-format.ts';
import { type Damage, type FoundFrame, highestSynced, walkSegment } from './log-reader.ts';
import { checkHead } from './register-format.ts';
import type { Registers } from './registers.ts';
import { FRAME, lsnOffset, lsnSegment, makeLsn, SEGMENT_HEADER_BYTES } from './segment-format.ts';
import type { Segment, Segments } from './segments.ts';

/** Stands for the log while it is being replayed, so that a long replay can checkpoint. */
export class ReplayLog implements CheckpointLog {
  readonly out = undefined;
  tail: Lsn;
  segment: Segment | undefined;

  constructor(covered: Lsn) {
    this.tail = covered;
  }

  async whenSynced<T>(value: T): Promise<T> {
    await this.segment?.file?.datasync();
    return value;
  }
}

export interface ReplayOptions {
  readonly segments: Segments;
  readonly registers: Registers;
  readonly checkpointer: Checkpointer;
  /** Told how far the replay is, for checkpoints on the way. */
  readonly standIn: ReplayLog;
  /** Records in memory that make it worth a checkpoint. */
  readonly recordsMax: number;
  readonly covered: Lsn;
  readonly clock: Clock;
  readonly report: (message: string, details: Readonly<Record<string, unknown>>) => void;
  readonly progress: (doneBytes: number, totalBytes: number) => void;
}

export interface ReplayResult {
  readonly tail: Lsn;
  /** Where the log goes on; undefined: in a new segment. */
  readonly segment: Segment | undefined;
  readonly records: number;
  /** Damaged places whose record is unknown. */
  readonly rotten: number;
}

export async function replay(options: ReplayOptions): Promise<ReplayResult> {
  const { segments, covered } = options;
  const first = lsnSegment(covered);
  const todo = segments.list().filter(({ number }) => number >= first);
  const from = (segment: Segment): number =>
    segment.number === first ? Math.max(SEGMENT_HEADER_BYTES, lsnOffset(covered)) : SEGMENT_HEADER_BYTES;
  const totalBytes = todo.reduce((sum, segment) => sum + Math.max(0, segment.bytes - from(segment)), 0);
  const replayer = new Replayer(options, totalBytes);
  for (const segment of todo) await replayer.segment(segment, from(segment), segment === todo.at(-1));
  const last = todo.at(-1);
  const tail = last ? makeLsn(last.number, last.bytes) : 0;
  const { records, rotten } = replayer;
  if (tail < covered) {
    options.report('the log ends before the last checkpoint: records are missing', { tail, covered });
    segments.skipTo(lsnSegment(covered));
    return { tail: covered, segment: undefined, records, rotten: rotten + 1 };
  }
  // What was read may be in the page cache only: it must not be answered from before it is on the disk.
  await last?.file?.datasync();
  return { tail, segment: last, records, rotten };
}

class Replayer {
  readonly #options: ReplayOptions;
  readonly #totalBytes: number;
  #doneBytes = 0;
  records = 0;
  rotten = 0;

  constructor(options: ReplayOptions, totalBytes: number) {
    this.#options = options;
    this.#totalBytes = totalBytes;
  }

  async segment(segment: Segment, from: number, last: boolean): Promise<void> {
    if (!segment.file || from >= segment.bytes) return;
    const { standIn, checkpointer, recordsMax, registers } = this.#options;
    const end = segment.bytes;
    standIn.segment = segment;
    let stop = from;
    while (stop < end) {
      const { at, torn } = await this.#walk(segment, stop, last);
      stop = at;
      standIn.tail = makeLsn(segment.number, stop);
      if (torn) break;
      if (registers.index.activeRecords >= recordsMax) await checkpointer.run();
    }
    if (stop < end) await this.#cut(segment, stop);
    this.#doneBytes += end - from;
    this.#options.progress(this.#doneBytes, this.#totalBytes);
  }

  /** Until the end, the torn tail, or the table is full. */
  async #walk(segment: Segment, from: number, last: boolean): Promise<{ at: number; torn: boolean }> {
    const { registers, recordsMax } = this.#options;
    const { number, epoch, bytes: end } = segment;
    let torn = false;
    const at = await walkSegment(
      { file: segment.acquire(), number, epoch, from, end, bodies: true },
      {
        frame: (found) => {
          this.#frame(found);
          return registers.index.activeRecords < recordsMax;
        },
        damage: async (damage) => {
          torn = last && !(await this.#wasSynced(segment, damage));
          if (!torn) this.#rot(damage);
          return !torn;
        },
      },
    ).finally(() => segment.release());
    return { at, torn };
  }

  #frame(found: FoundFrame): void {
    const { registers, clock } = this.#options;
    const { head, frame } = found;
    this.records++;
    if (frame.type === FRAME.register) registers.replayRegister(found, clock.nowMs());
    else if (frame.type === FRAME.promise) registers.replayPromise(head);
    else if (frame.type === FRAME.drop) registers.replayDrop(head);
    else if (frame.type === FRAME.settled) {
      for (const [writer, mark] of decodeMarks(head)) registers.settle(writer, mark);
    }
  }

  /** A later record that knows of a synced position above the damage proves that it was once whole. */
  async #wasSynced({ file, number, epoch, bytes }: Segment, { from, to }: Damage): Promise<boolean> {
    if (!file || to >= bytes) return false;
    return (await highestSynced({ file, number, epoch, from: to, end: bytes })) > makeLsn(number, from);
  }

  #rot({ number, from, to, head }: Damage): void {
    const { registers, clock, report } = this.#options;
    const lsn = makeLsn(number, from);
    report('a log record does not check', { segment: number, from, to, known: head !== undefined });
    if (!head) {
      this.rotten++;
      return;
    }
    checkHead(head);
    const frame = { type: FRAME.register, flags: 0, target: 0, bodyBytes: 0, epoch: 0, origin: number, synced: 0 };
    const found = { lsn, frame: { ...frame, headBytes: head.length, totalBytes: to - from }, head, body: undefined };
    const key = registers.replayRegister(found, clock.nowMs());
    if (registers.get(key)?.lsn === lsn) registers.quarantine(key, lsn);
  }

  async #cut(segment: Segment, end: number): Promise<void> {
    const { report } = this.#options;
    report('torn tail cut off: nobody was told of these writes', { segment: segment.number, end, was: segment.bytes });
    await segment.file?.truncate(end);
    segment.bytes = end;
  }
}
