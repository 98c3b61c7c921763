/**
 * Replaces registers and blobs whose stored bytes do not check with those of another primary. It is told of a key when a read
 * (or the scrub, or the compactor) meets the damage; what cannot be had now is tried again, and stays quarantined until then.
 */

import { isFault } from '../../fabric/errors.ts';
import type { ByteStream } from '../../fabric/rpc/contract.ts';
import { NO_STAMP } from '../../fabric/stamp.ts';
import { isBlobKey } from '../blob-format.ts';
import {
  DAEMON_WRITER,
  handoffOriginal,
  handoffTarget,
  headBallot,
  type Key,
  type Mutation,
  SPACE_HANDOFF,
} from '../contract.ts';
import { deviceFaults } from '../faults.ts';
import { copyBlob, localSource, peerSource } from './copy-blob.ts';
import { Loop } from './loop.ts';
import { fetchBlobs } from './register-fetch.ts';
import { ask, type Daemon, type DaemonWorld, peerOf, primariesOf } from './world.ts';

/** Damaged keys remembered; whatever is beyond is met again by the next read or scrub. */
const NOTED_MAX = 100_000;
const RETRY_MS = 30_000;
const BATCH = 16;

export class Repair implements Daemon {
  readonly #world: DaemonWorld;
  readonly #loop: Loop;
  readonly #noted = new Set<Key>();
  /** Since the start. */
  found = 0;
  repaired = 0;

  constructor(world: DaemonWorld) {
    this.#world = world;
    const { clock, device, log } = world;
    const onBug = (err: unknown): void => log.error({ device: device.deviceId, err }, 'repair failed');
    this.#loop = new Loop({ clock, step: () => this.#step(), onBug });
  }

  get waiting(): number {
    return this.#noted.size;
  }

  note(key: Key): void {
    if (!this.#noted.has(key)) this.found++;
    if (this.#noted.size >= NOTED_MAX) return;
    this.#noted.add(key);
    this.#loop.wake();
  }

  start(): void {
    for (const key of this.#world.device.quarantined()) this.note(key);
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #step(): Promise<number> {
    const keys = [...this.#noted];
    for (let at = 0; at < keys.length && !this.#loop.stopping; at += BATCH) {
      await Promise.all(keys.slice(at, at + BATCH).map((key) => this.#attempt(key)));
    }
    return RETRY_MS;
  }

  async #attempt(key: Key): Promise<void> {
    const { device, log } = this.#world;
    try {
      if (!(await (isBlobKey(key) ? this.#blob(key) : this.#register(key)))) return;
      this.#noted.delete(key);
      this.repaired++;
      const name = Buffer.from(key, 'latin1').toString('hex');
      log.warn({ device: device.deviceId, key: name }, 'damaged record replaced from another replica');
    } catch (error) {
      if (!isFault(error)) throw error;
    }
  }

  /** The same version again, or a newer one; of an older one nothing is taken. */
  async #register(key: Key): Promise<boolean> {
    const { device } = this.#world;
    const held = device.get(key);
    const [original, handoffFor] = namesOf(key);
    const found = await this.#newest(original);
    if (!found) return false;
    const ballot = headBallot(found.mutation.head);
    if (held && ballot < held.ballot) return false;
    if (
      handoffFor === undefined &&
      !(await fetchBlobs(this.#world, found.from, key, found.mutation.head, this.#stopped))
    ) {
      return false;
    }
    const context = { writer: DAEMON_WRITER, settled: NO_STAMP, handoffFor };
    const [outcome] = await device.apply([found.mutation], context);
    return outcome?.result === 'ok';
  }

  async #newest(key: Key): Promise<{ mutation: Mutation; from: number } | undefined> {
    let newest: { mutation: Mutation; from: number } | undefined;
    for (const from of this.#others(key)) {
      const peer = peerOf(this.#world, from);
      if (!peer) continue;
      const reply = await ask(peer, 'read', { device: from, key, body: true }).catch((error) => {
        if (!isFault(error)) throw error;
        return undefined;
      });
      if (!reply?.head) continue;
      if (newest && headBallot(reply.head) <= headBallot(newest.mutation.head)) continue;
      newest = { mutation: { head: reply.head, body: reply.body }, from };
    }
    return newest;
  }

  async #blob(key: Key): Promise<boolean> {
    const { device } = this.#world;
    const [original, handoffFor] = namesOf(key);
    // Collected meanwhile: nobody misses it. (An index entry that does not check is a Fault here, not an absence.)
    if (device.get(key) === undefined && (await this.#isGone(key))) return true;
    const here = handoffFor === undefined ? [] : [localSource(this.#world, original)];
    const sources = [...here, ...this.#others(original).map((id) => peerSource(this.#world, id, original))];
    const write = (upload: ByteStream): Promise<unknown> => device.blobWrite(original, upload, handoffFor);
    return copyBlob(original, sources, write, this.#stopped);
  }

  async #isGone(key: Key): Promise<boolean> {
    try {
      return (await this.#world.device.check(key)) === '';
    } catch (error) {
      if (!isFault(error, deviceFaults.corruptRegister)) throw error;
      return false;
    }
  }

  #others(key: Key): number[] {
    return primariesOf(this.#world, key).filter((id) => id !== this.#world.device.deviceId);
  }

  readonly #stopped = (): boolean => this.#loop.stopping;
}

/** The replicated key and, of a handoff copy, its target. */
function namesOf(key: Key): [original: Key, handoffFor: number | undefined] {
  return key.startsWith(SPACE_HANDOFF) ? [handoffOriginal(key), handoffTarget(key)] : [key, undefined];
}
