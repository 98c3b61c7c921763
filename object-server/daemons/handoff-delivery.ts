/**
 * Pays what this device holds for others: each handoff copy goes, blobs first, to the device it was meant for, and is dropped
 * only when that one has said that it is on its disk (or that it holds something newer). While a target stays away, the
 * bytes of its blobs are fetched here, so that there are three copies again. Delivery is by ballot: doing it twice is safe.
 */
import { isFault } from '../../fabric/errors.ts';
import type { ByteStream, Peer } from '../../fabric/rpc/contract.ts';
import { NO_STAMP } from '../../fabric/stamp.ts';
import { DAEMON_WRITER, handoffKey, headBodyLength, type Key, type Mutation, type Outcome } from '../contract.ts';
import { type BlobSource, blobKeysOf, copyBlob, localSource, peerSource } from './copy-blob.ts';
import { type HandoffCopy, handoffPage, handoffTargets } from './handoff-copies.ts';
import { Loop } from './loop.ts';
import { ask, type Daemon, type DaemonWorld, peerOf, primariesOf, STREAM_MS } from './world.ts';

/** How often memory is asked whether there is anything to deliver; no disk is touched while there is not. */
const LOOK_EVERY_MS = 500;
/** A target that is down this long gets its third copy here. */
const RESTORE_AFTER_MS = 10_000;
const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 15_000;
const AWAY_REST_FACTOR = 50;
const PAGE_COPIES = 64;
const PAGE_BODY_BYTES = 4 * 1024 * 1024;

export interface HandoffDeliveryOptions {
  readonly restoreAfterMs?: number;
}

/** What is known of one target; forgotten when nothing is owed to it. */
interface Debt {
  downSinceMs: number | undefined;
  failures: number;
  retryAtMs: number;
  /** Log position up to which its copies were restored here. */
  restoredAt: number;
}

export class HandoffDelivery implements Daemon {
  readonly #world: DaemonWorld;
  readonly #restoreAfterMs: number;
  readonly #loop: Loop;
  readonly #debts = new Map<number, Debt>();
  delivered = 0;

  constructor(world: DaemonWorld, { restoreAfterMs = RESTORE_AFTER_MS }: HandoffDeliveryOptions = {}) {
    this.#world = world;
    this.#restoreAfterMs = restoreAfterMs;
    this.#loop = new Loop({
      clock: world.clock,
      step: () => this.#step(),
      onBug: (err) => world.log.error({ device: world.device.deviceId, err }, 'handoff delivery failed'),
    });
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #step(): Promise<number> {
    const { device, clock } = this.#world;
    if (device.status().handoffCopies === 0) {
      this.#debts.clear();
      return LOOK_EVERY_MS;
    }
    for (const target of handoffTargets(device)) {
      if (this.#loop.stopping) break;
      const debt = this.#debt(target);
      const peer = peerOf(this.#world, target);
      const startMs = clock.monotonicMs();
      if (peer && debt.downSinceMs !== undefined) debt.retryAtMs = 0;
      debt.downSinceMs = peer ? undefined : (debt.downSinceMs ?? startMs);
      if (startMs < debt.retryAtMs) continue;
      const paid = await this.#pay(target, debt);
      debt.failures = paid ? 0 : debt.failures + 1;
      const nowMs = clock.monotonicMs();
      const waitMs = paid ? 0 : Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** debt.failures);
      // Going through what waits for a target that is away must stay a small part of this device's time.
      debt.retryAtMs = nowMs + (peer ? waitMs : Math.max(waitMs, (nowMs - startMs) * AWAY_REST_FACTOR));
    }
    return LOOK_EVERY_MS;
  }

  #debt(target: number): Debt {
    let debt = this.#debts.get(target);
    if (!debt) {
      debt = { downSinceMs: undefined, failures: 0, retryAtMs: 0, restoredAt: 0 };
      this.#debts.set(target, debt);
    }
    return debt;
  }

  /** Walks all copies for `target` once; true when each was delivered, or is kept safe here for a target that is away. */
  async #pay(target: number, debt: Debt): Promise<boolean> {
    const { device, clock } = this.#world;
    const away = peerOf(this.#world, target) === undefined;
    const { tail } = device.status();
    const downMs = debt.downSinceMs === undefined ? 0 : clock.monotonicMs() - debt.downSinceMs;
    if (away && (downMs < this.#restoreAfterMs || debt.restoredAt === tail)) return true;
    let complete = true;
    let after: Key | undefined;
    while (!this.#loop.stopping) {
      const page = handoffPage(device, target, after, PAGE_COPIES);
      if (page.length === 0) break;
      after = page.at(-1)?.key;
      if (!(await this.#payPage(target, page))) complete = false;
      if (!away && !peerOf(this.#world, target)) return false;
    }
    if (away && complete) debt.restoredAt = device.status().tail;
    return complete;
  }

  async #payPage(target: number, page: readonly HandoffCopy[]): Promise<boolean> {
    const due: HandoffCopy[] = [];
    const strays: HandoffCopy[] = [];
    for (const copy of page) (primariesOf(this.#world, copy.original).includes(target) ? due : strays).push(copy);
    let complete = true;
    const peer = peerOf(this.#world, target);
    if (peer) for (const batch of batches(due)) complete = (await this.#deliver(batch, [target])) && complete;
    else for (const copy of due) complete = (await this.#restore(target, copy)) && complete;
    // The ring gave the partition to others: they are owed now.
    for (const copy of strays) {
      complete = (await this.#deliver([copy], primariesOf(this.#world, copy.original))) && complete;
    }
    return complete;
  }

  /** True when every receiver holds every copy, which then are dropped here. */
  async #deliver(copies: readonly HandoffCopy[], receivers: readonly number[]): Promise<boolean> {
    let held: readonly HandoffCopy[] = copies;
    for (const receiver of receivers) held = await this.#deliverTo(receiver, held);
    const dropped = await Promise.all(held.map(({ key, ballot }) => this.#world.device.dropHandoff(key, ballot)));
    this.delivered += dropped.filter(Boolean).length;
    return held.length === copies.length;
  }

  /** Those of `copies` that the receiver has on its disk now. */
  async #deliverTo(receiver: number, copies: readonly HandoffCopy[]): Promise<HandoffCopy[]> {
    const sent: HandoffCopy[] = [];
    const mutations: Mutation[] = [];
    for (const copy of copies) {
      if (this.#loop.stopping) break;
      if (!(await this.#sendBlobs(receiver, copy, false))) continue;
      const mutation = await this.#mutation(copy);
      if (!mutation) continue;
      sent.push(copy);
      mutations.push(mutation);
    }
    if (sent.length === 0) return [];
    const outcomes = await this.#apply(receiver, mutations);
    const held: HandoffCopy[] = [];
    for (const [i, copy] of sent.entries()) {
      if (await this.#holds(receiver, copy, mutations[i] as Mutation, outcomes[i])) held.push(copy);
    }
    return held;
  }

  /** Undefined when the copy cannot be read, or is another one by now. */
  async #mutation({ key, ballot, head }: HandoffCopy): Promise<Mutation | undefined> {
    const { device } = this.#world;
    try {
      const read = await device.read(key, headBodyLength(head) > 0);
      if (device.get(key)?.ballot !== ballot || !read.head) return undefined;
      return { head: read.head, body: read.body };
    } catch (error) {
      if (!isFault(error)) throw error;
      return undefined;
    }
  }

  /** All under their own keys, without guards: they were judged when the write was answered. */
  async #apply(receiver: number, mutations: readonly Mutation[]): Promise<readonly Outcome[]> {
    const context = { mutations, writer: DAEMON_WRITER, settled: NO_STAMP };
    const { device } = this.#world;
    try {
      if (receiver === device.deviceId) return await device.apply(mutations, context);
      const peer = peerOf(this.#world, receiver);
      return peer ? (await ask(peer, 'apply', { device: receiver, ...context })).outcomes : [];
    } catch (error) {
      if (!isFault(error)) throw error;
      return [];
    }
  }

  async #holds(
    receiver: number,
    copy: HandoffCopy,
    mutation: Mutation,
    outcome: Outcome | undefined,
  ): Promise<boolean> {
    if (outcome?.result === 'ok') return true;
    if (outcome?.result === 'newer') {
      const newer = await this.#holdsNewer(receiver, copy);
      if (newer === false) this.#world.device.blocked(copy.key, copy.ballot);
      return newer === true;
    }
    if (outcome?.result !== 'missing-blob' || !(await this.#sendBlobs(receiver, copy, true))) return false;
    return (await this.#apply(receiver, [mutation]))[0]?.result === 'ok';
  }

  /** 'newer' may be a mere promise: then nothing newer is there yet, and the copy must stay. undefined: not known now. */
  async #holdsNewer(receiver: number, { original, ballot }: HandoffCopy): Promise<boolean | undefined> {
    const { device } = this.#world;
    try {
      const peer = peerOf(this.#world, receiver);
      if (receiver === device.deviceId) return (await device.check(original)) >= ballot;
      return peer && (await ask(peer, 'check', { device: receiver, key: original })).ballot >= ballot;
    } catch (error) {
      if (!isFault(error)) throw error;
      return undefined;
    }
  }

  /** Makes the receiver hold the blobs that the copy refers to. `force`: it says it has not, whatever `check` says. */
  async #sendBlobs(receiver: number, copy: HandoffCopy, force: boolean): Promise<boolean> {
    for (const blobKey of blobKeysOf(copy.original, copy.head)) {
      const write = await this.#blobWriter(receiver, blobKey, force);
      if (write === 'held') continue;
      if (write === 'away') return false;
      const sources = this.#sources(copy, blobKey, receiver);
      if (!(await copyBlob(blobKey, sources, write, () => this.#loop.stopping))) return false;
    }
    return true;
  }

  async #blobWriter(
    receiver: number,
    key: Key,
    force: boolean,
  ): Promise<'held' | 'away' | ((upload: ByteStream) => Promise<unknown>)> {
    const { device } = this.#world;
    if (receiver === device.deviceId) {
      return !force && device.get(key) ? 'held' : (upload) => device.blobWrite(key, upload);
    }
    const peer: Peer | undefined = peerOf(this.#world, receiver);
    if (!peer) return 'away';
    try {
      if (!force && (await ask(peer, 'check', { device: receiver, key })).ballot !== '') return 'held';
    } catch (error) {
      if (!isFault(error)) throw error;
      return 'away';
    }
    return (upload) => ask(peer, 'blobWrite', { device: receiver, key }, { deadlineMs: STREAM_MS, upload });
  }

  /** This device first (as handoff, as primary), then the primaries that are up. */
  #sources({ key, original }: HandoffCopy, blobKey: Key, except: number): BlobSource[] {
    const { device } = this.#world;
    const here = key.slice(0, 3) + blobKey.slice(1);
    const others = primariesOf(this.#world, original).filter((id) => id !== except && id !== device.deviceId);
    return [
      localSource(this.#world, here),
      localSource(this.#world, blobKey),
      ...others.map((id) => peerSource(this.#world, id, blobKey)),
    ];
  }

  /** Fetches the blobs of a copy to this device; they go with it later. */
  async #restore(target: number, copy: HandoffCopy): Promise<boolean> {
    const { device } = this.#world;
    for (const blobKey of blobKeysOf(copy.original, copy.head)) {
      if (device.get(handoffKey(target, blobKey))) continue;
      const sources = this.#sources(copy, blobKey, target);
      const write = (upload: ByteStream): Promise<unknown> => device.blobWrite(blobKey, upload, target);
      if (!(await copyBlob(blobKey, sources, write, () => this.#loop.stopping))) return false;
    }
    return true;
  }
}

/** Cut so that one message stays small. */
function* batches(copies: readonly HandoffCopy[]): Iterable<HandoffCopy[]> {
  let batch: HandoffCopy[] = [];
  let bytes = 0;
  for (const copy of copies) {
    batch.push(copy);
    bytes += copy.head.length + headBodyLength(copy.head);
    if (bytes < PAGE_BODY_BYTES) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}
