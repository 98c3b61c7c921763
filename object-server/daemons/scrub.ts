/**
 * Reads everything this device holds, slowly and again and again, so that damage is found while other replicas are whole.
 * What does not check is set aside by the device itself, which tells the repair. Goes on where it was after a restart, and
 * makes way for everything else.
 */
import { isFault } from '../../fabric/errors.ts';
import type { ByteStream } from '../../fabric/rpc/contract.ts';
import { decodeBlob, isBlobKey } from '../blob-format.ts';
import { headBodyLength, type Key, SPACE_LOCAL, SPACE_REPLICATED } from '../contract.ts';
import { Loop } from './loop.ts';
import type { Daemon, DaemonWorld } from './world.ts';

const WEEK_MS = 7 * 86_400_000;
const PAGE_KEYS = 256;
/** One step reads about this much, then rests. */
const STEP_BYTES = 4 * 1024 * 1024;
const RECORD_BYTES = 512;
const PAUSE_MIN_MS = 20;
const PAUSE_MAX_MS = 86_400_000;
/** Between a start of the device and the first step. */
const START_PAUSE_MS = 10 * 60_000;
/** More log than this since the last step: the device is busy, this can wait. */
const BUSY_BYTES = 8 * 1024 * 1024;
const BUSY_PAUSE_MS = 5_000;
/** The bookmark holds the first 48 bits of the key: all of a scrub's position that matters. */
const MARK = 'scrub';
const MARK_BYTES = 6;

export interface ScrubOptions {
  /** One pass over the device takes about this long. */
  readonly passMs?: number;
  readonly startPauseMs?: number;
}

export class Scrub implements Daemon {
  readonly #world: DaemonWorld;
  readonly #passMs: number;
  readonly #startPauseMs: number;
  readonly #loop: Loop;
  #at: Key;
  #tail = 0;
  #doneBytes = 0;
  #begun = false;
  passes = 0;

  constructor(world: DaemonWorld, { passMs = WEEK_MS, startPauseMs = START_PAUSE_MS }: ScrubOptions = {}) {
    this.#world = world;
    this.#startPauseMs = startPauseMs;
    this.#passMs = passMs;
    const { clock, device, log } = world;
    this.#at = keyOf(device.bookmarks.get(MARK) ?? 0);
    const onBug = (err: unknown): void => log.error({ device: device.deviceId, err }, 'scrub failed');
    this.#loop = new Loop({ clock, step: () => this.#step(), onBug });
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #step(): Promise<number> {
    const { device } = this.#world;
    if (!this.#begun) {
      this.#begun = true;
      return this.#startPauseMs;
    }
    const { tail, liveBytes, state } = device.status();
    const writtenBytes = tail - this.#tail;
    this.#tail = tail;
    if (state === 'out' || writtenBytes > BUSY_BYTES) return BUSY_PAUSE_MS;
    this.#doneBytes = 0;
    while (this.#doneBytes < STEP_BYTES && !this.#loop.stopping) {
      const page = this.#page();
      for (const [key, head] of page) {
        if (this.#loop.stopping) break;
        await this.#verify(key, head);
        this.#at = `${key}\0`;
      }
      if (page.length === PAGE_KEYS) continue;
      this.#at = SPACE_REPLICATED;
      this.passes++;
      device.setBookmark(MARK, positionOf(this.#at));
      return Math.min(PAUSE_MAX_MS, this.#passMs);
    }
    device.setBookmark(MARK, positionOf(this.#at));
    const shareOfPass = this.#doneBytes / Math.max(liveBytes, this.#doneBytes, 1);
    return Math.min(PAUSE_MAX_MS, Math.max(PAUSE_MIN_MS, shareOfPass * this.#passMs));
  }

  #page(): [Key, Buffer][] {
    const page: [Key, Buffer][] = [];
    this.#world.device.forEach({ start: this.#at, end: SPACE_LOCAL }, (key, { head }) => {
      page.push([key, head]);
      return page.length < PAGE_KEYS;
    });
    return page;
  }

  async #verify(key: Key, head: Buffer): Promise<void> {
    const { device } = this.#world;
    this.#doneBytes += RECORD_BYTES;
    try {
      if (isBlobKey(key)) {
        const { lengthBytes } = decodeBlob(head);
        await drain((await device.blobRead(key, 0, lengthBytes)).stream, () => this.#loop.stopping);
        this.#doneBytes += lengthBytes;
      } else if (headBodyLength(head) > 0) {
        await device.read(key, true);
        this.#doneBytes += headBodyLength(head);
      }
    } catch (error) {
      // The device has dealt with it.
      if (!isFault(error)) throw error;
    }
  }
}

async function drain(stream: ByteStream, stopped: () => boolean): Promise<void> {
  try {
    while (!stopped() && (await stream.next()) !== undefined);
  } finally {
    stream.cancel();
  }
}

const positionOf = (key: Key): number =>
  Buffer.from(key.slice(0, MARK_BYTES).padEnd(MARK_BYTES, '\0'), 'latin1').readUIntBE(0, MARK_BYTES);

function keyOf(position: number): Key {
  const bytes = Buffer.alloc(MARK_BYTES);
  bytes.writeUIntBE(position, 0, MARK_BYTES);
  const key = bytes.toString('latin1');
  return key.startsWith('\0') ? SPACE_REPLICATED : key;
}
