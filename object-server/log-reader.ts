/**
 * Reading log segments frame by frame, in windows: replay, the change feed, the compactor and the offline scanner all come
 * through here. It verifies checksums and finds the next valid frame after damage; what damage means is the caller's.
 */
import type { DiskFile } from '../fabric/disk.ts';
import { xxh64 } from '../fabric/hash.ts';
import type { Lsn } from './contract.ts';
import { headBodySum } from './register-format.ts';
import { checkFrame, FRAME, FRAME_HEADER_BYTES, type Frame, makeLsn, peekFrame } from './segment-format.ts';

const WINDOW_BYTES = 1024 * 1024;
const MAGIC_BYTES = Buffer.from('NTFR', 'latin1');

export interface WalkOptions {
  readonly file: DiskFile;
  readonly number: number;
  readonly epoch: number;
  readonly from: number;
  readonly end: number;
  /** Read and verify bodies too; otherwise they are skipped. */
  readonly bodies: boolean;
  readonly windowBytes?: number;
}

/** Views into a buffer that is reused: valid during the call only. */
export interface FoundFrame {
  readonly lsn: Lsn;
  readonly frame: Frame;
  readonly head: Buffer;
  readonly body: Buffer | undefined;
}

export interface Damage {
  readonly number: number;
  readonly from: number;
  /** Where the next valid frame begins, or the end. */
  readonly to: number;
  /** Head of the record, when only its body is damaged. */
  readonly head: Buffer | undefined;
}

export interface WalkVisitor {
  /** false stops the walk. */
  frame(found: FoundFrame): boolean | void;
  /** false stops the walk at the damage. */
  damage(damage: Damage): boolean | void | Promise<boolean | void>;
}

/** Returns the offset behind the last thing visited. */
export async function walkSegment(options: WalkOptions, visitor: WalkVisitor): Promise<number> {
  const { number, epoch, end, bodies } = options;
  const window = new Window(options);
  let at = options.from;
  while (at < end) {
    const frame = await window.frameAt(at, epoch, bodies);
    if (!frame) {
      const to = await window.nextFrame(at + 8, epoch);
      if ((await visitor.damage({ number, from: at, to, head: undefined })) === false) return at;
      at = to;
      continue;
    }
    const head = window.bytes(at + FRAME_HEADER_BYTES, frame.headBytes);
    const body = bodies ? window.bytes(at + FRAME_HEADER_BYTES + frame.headBytes, frame.bodyBytes) : undefined;
    const next = at + frame.totalBytes;
    if (body && frame.type === FRAME.register && body.length > 0 && xxh64(body) !== headBodySum(head)) {
      if ((await visitor.damage({ number, from: at, to: next, head: Buffer.from(head) })) === false) return at;
    } else if (visitor.frame({ lsn: makeLsn(number, at), frame, head, body }) === false) return next;
    at = next;
  }
  return at;
}

/** Highest synced position that any valid frame in the range knows of. */
export async function highestSynced(options: Omit<WalkOptions, 'bodies'>): Promise<Lsn> {
  let highest = 0;
  await walkSegment(
    { ...options, bodies: false },
    {
      frame: ({ frame }) => {
        highest = Math.max(highest, frame.synced);
      },
      damage: () => true,
    },
  );
  return highest;
}

class Window {
  readonly #file: DiskFile;
  readonly #end: number;
  readonly #windowBytes: number;
  #buffer: Buffer;
  #from = 0;
  #length = 0;

  constructor({ file, end, windowBytes = WINDOW_BYTES }: WalkOptions) {
    this.#file = file;
    this.#end = end;
    this.#windowBytes = windowBytes;
    this.#buffer = Buffer.allocUnsafeSlow(windowBytes);
  }

  /** A frame whose header and head (and body, when asked) lie within the file and whose checksum holds. */
  async frameAt(at: number, epoch: number, bodies: boolean): Promise<Frame | undefined> {
    if (!(await this.#ensure(at, FRAME_HEADER_BYTES))) return undefined;
    const frame = peekFrame(this.#buffer.subarray(0, this.#length), at - this.#from, epoch);
    if (!frame || at + frame.totalBytes > this.#end) return undefined;
    const needed = bodies ? frame.totalBytes : FRAME_HEADER_BYTES + frame.headBytes;
    if (!(await this.#ensure(at, needed))) return undefined;
    return checkFrame(this.#buffer, at - this.#from, frame.headBytes) ? frame : undefined;
  }

  bytes(at: number, length: number): Buffer {
    return this.#buffer.subarray(at - this.#from, at - this.#from + length);
  }

  /** Offset of the first valid frame at or after `at` (a multiple of 8), or the end. */
  async nextFrame(at: number, epoch: number): Promise<number> {
    while (at < this.#end && (await this.#ensure(at, Math.min(FRAME_HEADER_BYTES, this.#end - at)))) {
      const found = this.#buffer.subarray(0, this.#length).indexOf(MAGIC_BYTES, at - this.#from);
      if (found < 0) {
        at = align(this.#from + this.#length - 3);
        if (this.#from + this.#length >= this.#end) return this.#end;
        continue;
      }
      at = this.#from + found;
      if (at % 8 === 0 && (await this.frameAt(at, epoch, false))) return at;
      at = align(at + 1);
    }
    return this.#end;
  }

  async #ensure(at: number, length: number): Promise<boolean> {
    if (at >= this.#from && at + length <= this.#from + this.#length) return true;
    if (at + length > this.#end) return false;
    if (length > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(length + this.#windowBytes);
    const want = Math.min(this.#buffer.length, this.#end - at);
    this.#length = await this.#file.read(this.#buffer.subarray(0, want), at);
    this.#from = at;
    return this.#length >= length;
  }
}

const align = (offset: number): number => Math.ceil(offset / 8) * 8;

const PROBE_BYTES = 8 * 1024 * 1024;

/**
 * What the records of a file without a readable header say: their epoch, and the highest position they know to be synced.
 * undefined when there is none.
 */
export async function probeEpoch(file: DiskFile): Promise<{ epoch: number; synced: Lsn } | undefined> {
  const end = await file.size();
  const bytes = Buffer.alloc(Math.min(end, PROBE_BYTES));
  const got = bytes.subarray(0, await file.read(bytes, 0));
  for (let at = got.indexOf(MAGIC_BYTES); at >= 0; at = got.indexOf(MAGIC_BYTES, at + 1)) {
    if (at % 8 !== 0 || at + FRAME_HEADER_BYTES > got.length) continue;
    const epoch = got.readUInt32LE(at + 16);
    const frame = peekFrame(got, at, epoch);
    if (!frame || at + FRAME_HEADER_BYTES + frame.headBytes > got.length || !checkFrame(got, at, frame.headBytes))
      continue;
    return { epoch, synced: await highestSynced({ file, number: 0, epoch, from: at, end }) };
  }
  return undefined;
}
