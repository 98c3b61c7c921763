/**
 * Walks a device directory offline, whatever the server thinks of it: every log frame, register head and body, every chunk of
 * every blob, and the index, each against its checksum and against each other. It changes nothing. `needletail fsck` builds
 * on what it yields.
 */

import type { Disk } from '../fabric/disk.ts';
import { Fault, isFault } from '../fabric/errors.ts';
import type { Kv } from '../fabric/kv.ts';
import { createSeededRandom } from '../fabric/random.ts';
import { blobIdOf, decodeBlob, isBlobKey } from './blob-format.ts';
import { readRecord } from './blob-reader.ts';
import type { Lsn } from './contract.ts';
import { deviceFaults } from './faults.ts';
import { type DeviceIdentity, readIdentity } from './identity.ts';
import { decodeIndexValue } from './index-format.ts';
import { handoffKey, type Key, SPACE_LOCAL } from './key-format.ts';
import { decodeCheckpoint, LOCAL, unseal } from './local-format.ts';
import { walkSegment } from './log-reader.ts';
import { Entry } from './memtable.ts';
import { checkHead, headBallot, headKey } from './register-format.ts';
import { FRAME, FRAME_HANDOFF, FRAME_MOVED, LANE, lsnSegment, SEGMENT_HEADER_BYTES } from './segment-format.ts';
import { Segments } from './segments.ts';

export interface ScanProblem {
  readonly path: string;
  readonly problem: string;
  /** Register or blob concerned, where it is known. */
  readonly key?: Key | undefined;
}

export interface ScannedRegister {
  /** Index key: a handoff copy's names its target. */
  readonly key: Key;
  readonly head: Buffer;
  readonly lsn: Lsn;
}

export interface ScanOptions {
  readonly directory: string;
  readonly disk: Disk;
  /** Opens the index read-only. */
  readonly openKv: (path: string) => Promise<Kv>;
  /** Once per key, in no order: its newest record. */
  readonly register: (register: ScannedRegister) => void;
  readonly problem: (problem: ScanProblem) => void;
}

export interface ScanTotals {
  readonly identity: DeviceIdentity;
  readonly frames: number;
  readonly registers: number;
  readonly blobs: number;
  readonly chunks: number;
  readonly problems: number;
}

/** Fault CorruptIdentity when the directory is no device. */
export async function scanDevice(options: ScanOptions): Promise<ScanTotals> {
  const { disk, directory } = options;
  const identity = await readIdentity(disk, directory);
  if (!identity) {
    options.problem({ path: directory, problem: 'no device.json' });
    const nobody = { formatVersion: 0, clusterId: '', deviceUuid: '', deviceId: -1 };
    return { identity: nobody, frames: 0, registers: 0, blobs: 0, chunks: 0, problems: 1 };
  }
  const scan = new Scan(options, identity);
  return scan.run();
}

/** The scan compares heads where they lie: in the log. */
const noHead = (): never => {
  throw new Fault(deviceFaults.corruptRegister);
};

class Scan {
  readonly #options: ScanOptions;
  readonly #identity: DeviceIdentity;
  readonly #log: Segments;
  readonly #bulk: Segments;
  /** Newest record of each key that the log holds. */
  readonly #newest = new Map<Key, Entry>();
  /** Where each key was given up: the index still has those that went after its checkpoint. */
  readonly #dropped = new Map<Key, Lsn>();
  #frames = 0;
  #registers = 0;
  #blobs = 0;
  #chunks = 0;
  #problems = 0;

  constructor(options: ScanOptions, identity: DeviceIdentity) {
    const { disk, directory } = options;
    this.#options = options;
    this.#identity = identity;
    const common = { disk, owner: identity, random: createSeededRandom(0) };
    this.#log = new Segments({ ...common, directory: `${directory}/log`, lane: LANE.log });
    this.#bulk = new Segments({ ...common, directory: `${directory}/bulk`, lane: LANE.bulk });
  }

  async run(): Promise<ScanTotals> {
    for (const lane of [this.#log, this.#bulk]) {
      for (const { path, reason } of await lane.open('read')) this.#problem({ path, problem: reason });
    }
    await this.#walkLog();
    await this.#checkIndex();
    for (const [key, entry] of this.#newest) {
      if (isBlobKey(key)) await this.#checkBlob(key, entry);
      this.#registers++;
      this.#options.register({ key, head: entry.head, lsn: entry.lsn });
    }
    await this.#log.close();
    await this.#bulk.close();
    return {
      identity: this.#identity,
      frames: this.#frames,
      registers: this.#registers,
      blobs: this.#blobs,
      chunks: this.#chunks,
      problems: this.#problems,
    };
  }

  #problem(problem: ScanProblem): void {
    this.#problems++;
    this.#options.problem(problem);
  }

  async #walkLog(): Promise<void> {
    for (const { number, epoch, file, bytes: end } of this.#log.list()) {
      if (!file) continue;
      const walk = { file, number, epoch, from: SEGMENT_HEADER_BYTES, end, bodies: true };
      await walkSegment(walk, {
        frame: ({ lsn, frame, head }) => {
          this.#frames++;
          if (frame.type === FRAME.register) this.#take(lsn, frame, head);
          else if (frame.type === FRAME.drop) this.#drop(lsn, head);
        },
        damage: ({ from, to, head }) => {
          const key = head ? headKey(head) : undefined;
          const torn = number === this.#log.lastNumber && to >= end && !head;
          const problem = `${torn ? 'torn or damaged end' : 'damaged record'} at ${from} to ${to}`;
          this.#problem({ path: file.path, problem, key });
          return true;
        },
      });
    }
  }

  #take(lsn: Lsn, frame: { flags: number; target: number; origin: number }, head: Buffer): void {
    const key = frame.flags & FRAME_HANDOFF ? handoffKey(frame.target, headKey(head)) : headKey(head);
    const ballot = headBallot(head);
    const held = this.#newest.get(key);
    const again = held?.ballot === ballot && (frame.flags & FRAME_MOVED) !== 0;
    if (held && !isBlobKey(key) && held.ballot >= ballot && !again) return;
    try {
      checkHead(head);
    } catch {
      this.#problem({ path: this.#log.path(lsnSegment(lsn)), problem: `head does not check at ${lsn}`, key });
      return;
    }
    this.#newest.set(key, Entry.of(Buffer.from(head), lsn, frame.origin));
  }

  #drop(lsn: Lsn, head: Buffer): void {
    const key = head.toString('latin1', 8);
    if (this.#newest.get(key)?.ballot !== head.toString('hex', 0, 8)) return;
    this.#newest.delete(key);
    this.#dropped.set(key, lsn);
  }

  /** Every index entry must be what the log says it is. */
  async #checkIndex(): Promise<void> {
    const path = `${this.#options.directory}/index`;
    let kv: Kv;
    try {
      kv = await this.#options.openKv(path);
    } catch (error) {
      // The log is the truth: the device starts without an index too.
      if (!isFault(error)) throw error;
      return this.#problem({ path, problem: error.message });
    }
    let covered = 0;
    try {
      const sealed = kv.get(LOCAL.checkpoint);
      if (sealed) covered = decodeCheckpoint(unseal(LOCAL.checkpoint, sealed)).covered;
      const seen = new Set<Key>();
      kv.forEach({ start: '\x01', end: SPACE_LOCAL }, (key, value) => {
        seen.add(key);
        this.#checkEntry(path, key, value, covered);
      });
      for (const [key, { lsn, tombstone }] of this.#newest) {
        if (lsn < covered && !seen.has(key) && !tombstone)
          this.#problem({ path, problem: 'missing from the index', key });
      }
    } catch (error) {
      this.#problem({ path, problem: String(error) });
    } finally {
      await kv.close();
    }
  }

  #checkEntry(path: string, key: Key, value: Buffer, covered: Lsn): void {
    try {
      const entry = decodeIndexValue(key, value, noHead);
      const logged = this.#newest.get(key);
      if (!logged && (this.#dropped.get(key) ?? -1) >= covered) return;
      if (!logged) this.#problem({ path, problem: `points at ${entry.lsn}, where the log has nothing`, key });
      else if (logged.lsn !== entry.lsn && logged.lsn < covered) {
        this.#problem({ path, problem: `points at ${entry.lsn}, the log's newest is ${logged.lsn}`, key });
      }
    } catch {
      this.#problem({ path, problem: 'index entry does not check', key });
    }
  }

  async #checkBlob(key: Key, entry: Entry): Promise<void> {
    this.#blobs++;
    const places = decodeBlob(entry.head);
    for (let index = 0; index < places.chunkCount; index++) {
      const place = places.place(index);
      const path = this.#bulk.path(place.segment);
      const file = this.#bulk.get(place.segment)?.file;
      try {
        if (!file) throw new Error('no such segment');
        await readRecord({ file, ...place, blobId: blobIdOf(key), index });
        this.#chunks++;
      } catch (error) {
        this.#problem({ path, problem: `chunk ${index} at ${place.offset}: ${(error as Error).message}`, key });
      }
    }
  }
}
