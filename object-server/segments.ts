/**
 * The open files of one lane (log or bulk) of one device: numbering, creation, reading by number, removal. A segment that
 * is being read when it is removed stays open until the last reader lets go. It never decides when to seal or to remove.
 */

import { assert } from '../fabric/assert.ts';
import type { Disk, DiskFile } from '../fabric/disk.ts';
import { Fault, isFault } from '../fabric/errors.ts';
import type { Random } from '../fabric/random.ts';
import type { Lsn } from './contract.ts';
import { deviceFaults } from './faults.ts';
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  LANE,
  type Lane,
  SEGMENT_HEADER_BYTES,
  segmentName,
  segmentNumber,
} from './segment-format.ts';

export interface SegmentOwner {
  /** 32 hex digits each. */
  readonly clusterId: string;
  readonly deviceUuid: string;
}

export interface SegmentsOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly lane: Lane;
  readonly owner: SegmentOwner;
  readonly random: Random;
}

export class Segment {
  readonly number: number;
  readonly epoch: number;
  readonly firstLsn: Lsn;
  /** End of what was appended, header included. */
  bytes: number;
  file: DiskFile | undefined;
  /** Uploads under way that wrote here: their bytes have no register yet. */
  pins = 0;
  #readers = 0;
  #removed = false;

  constructor(number: number, epoch: number, firstLsn: Lsn, bytes: number) {
    this.number = number;
    this.epoch = epoch;
    this.firstLsn = firstLsn;
    this.bytes = bytes;
  }

  get readable(): boolean {
    return this.file !== undefined && !this.#removed;
  }

  /** Keeps the file open until `release`. */
  acquire(): DiskFile {
    assert(this.file !== undefined && !this.#removed, 'segment has no file');
    this.#readers++;
    return this.file;
  }

  release(): void {
    assert(this.#readers > 0, 'segment released twice');
    this.#readers--;
    if (this.#removed && this.#readers === 0) void this.file?.close();
  }

  async retire(): Promise<void> {
    this.#removed = true;
    if (this.#readers === 0) await this.file?.close();
  }
}

export interface SegmentProblem {
  readonly path: string;
  readonly reason: string;
}

export class Segments {
  readonly #options: SegmentsOptions;
  readonly #byNumber = new Map<number, Segment>();
  #lastNumber = 0;
  /** Files that could not be read at the start; nobody knows what they hold. */
  readonly unreadable = new Set<number>();

  constructor(options: SegmentsOptions) {
    this.#options = options;
  }

  get(number: number): Segment | undefined {
    return this.#byNumber.get(number);
  }

  /** Ascending. */
  list(): Segment[] {
    return [...this.#byNumber.values()].sort((a, b) => a.number - b.number);
  }

  get lastNumber(): number {
    return this.#lastNumber;
  }

  path(number: number): string {
    return `${this.#options.directory}/${segmentName(number)}`;
  }

  /** Opens every file there is. Unreadable ones are reported and left out; a foreign one is a Fault ForeignDisk. */
  async open(mode: 'read' | 'write' = 'write'): Promise<SegmentProblem[]> {
    const { disk, directory } = this.#options;
    const problems: SegmentProblem[] = [];
    for (const name of await disk.list(directory)) {
      const number = segmentNumber(name);
      if (number === undefined) continue;
      this.#lastNumber = Math.max(this.#lastNumber, number);
      const path = `${directory}/${name}`;
      try {
        this.#byNumber.set(number, await this.#openOne(number, path, mode));
      } catch (error) {
        if (isFault(error, deviceFaults.foreignDisk) || !isFault(error)) throw error;
        this.unreadable.add(number);
        problems.push({ path, reason: `${error.code}: ${error.details['reason'] ?? error.message}` });
      }
    }
    return problems;
  }

  async #openOne(number: number, path: string, mode: 'read' | 'write'): Promise<Segment> {
    const { disk, owner, lane } = this.#options;
    const file = await disk.open(path, mode);
    try {
      const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
      const got = await file.read(bytes, 0);
      const header = decodeSegmentHeader(bytes.subarray(0, got));
      if (header.clusterId !== owner.clusterId || header.deviceUuid !== owner.deviceUuid) {
        throw new Fault(deviceFaults.foreignDisk, { path }, `${path} belongs to another cluster or device`);
      }
      if (header.lane !== lane || header.number !== number)
        throw new Fault(deviceFaults.corruptSegment, { reason: 'misplaced' });
      const segment = new Segment(number, header.epoch, header.firstLsn, await file.size());
      segment.file = file;
      return segment;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Positions never go back: the next number is above this one. */
  skipTo(number: number): void {
    this.#lastNumber = Math.max(this.#lastNumber, number);
  }

  /** Takes in a file whose header cannot be read but whose records can. */
  async adopt(number: number, epoch: number): Promise<Segment> {
    const file = await this.#options.disk.open(this.path(number), 'write');
    const segment = new Segment(number, epoch, 0, await file.size());
    segment.file = file;
    this.#byNumber.set(number, segment);
    this.unreadable.delete(number);
    return segment;
  }

  /** Reserves the next number, in memory only. */
  plan(firstLsn: Lsn): Segment {
    const number = ++this.#lastNumber;
    const segment = new Segment(number, this.#options.random.below(2 ** 32), firstLsn, SEGMENT_HEADER_BYTES);
    this.#byNumber.set(number, segment);
    return segment;
  }

  /** Makes a planned segment's file. Its header becomes durable with the first datasync. */
  async create(segment: Segment): Promise<DiskFile> {
    const { disk, owner, lane } = this.#options;
    const { number, epoch, firstLsn } = segment;
    const file = await disk.open(this.path(number), 'create');
    try {
      await file.write([encodeSegmentHeader({ lane, number, epoch, firstLsn, ...owner })], 0);
    } catch (error) {
      await file.close();
      throw error;
    }
    // Only now: whoever finds the file writes and syncs at once, and the header must not come after what follows it.
    segment.file = file;
    return file;
  }

  async remove(number: number): Promise<void> {
    const segment = this.#byNumber.get(number);
    this.#byNumber.delete(number);
    await this.#options.disk.remove(this.path(number));
    await segment?.retire();
  }

  /** Forgets an unreadable newest file whose contents were never acknowledged. */
  async discard(number: number): Promise<void> {
    await this.remove(number);
    this.unreadable.delete(number);
    if (number === this.#lastNumber) this.#lastNumber = Math.max(0, ...this.#byNumber.keys(), ...this.unreadable);
  }

  async close(): Promise<void> {
    for (const segment of this.#byNumber.values()) await segment.retire();
    this.#byNumber.clear();
  }
}

export const laneName = (lane: Lane): string => (lane === LANE.log ? 'log' : 'bulk');
