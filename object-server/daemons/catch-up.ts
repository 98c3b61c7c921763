/**
 * Makes this device hold what was written while it was away: it reads the change feed of every other device from where it
 * last was and fetches what it lacks, deletes included. Where a feed no longer reaches back that far, everything the two share
 * is compared instead; a new, empty device fills itself this way. Once level, the position follows the other's settled mark
 * without reading anything, so that the next start has little to go through. It never judges anything but ballots.
 */
import { isFault } from '../../fabric/errors.ts';
import type { Peer } from '../../fabric/rpc/contract.ts';
import type { Lsn, ObjectServiceCalls } from '../contract.ts';
import { Comparison } from './comparison.ts';
import { Loop } from './loop.ts';
import { fetchRegisters, lacks, type Wanted } from './register-fetch.ts';
import { ask, CALL_MS, type Daemon, type DaemonWorld, peerOf } from './world.ts';

/** A level link looks at its peer this often. */
const FOLLOW_EVERY_MS = 10_000;
/** A peer that is away is looked for this often: in memory, without a call. */
const LOOK_EVERY_MS = 500;
const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 15_000;
const PAGE_ENTRIES = 512;
/** Reading a page may take a pass over much log without any entry for us. */
const PAGE_MS = 4 * CALL_MS;
/** Entries that could not be had yet, per peer: with more than these, reading on waits (it goes over by one page at most). */
const OWED_MAX = 10_000;

export interface CatchUpOptions {
  readonly followEveryMs?: number;
}

type Feed = ObjectServiceCalls['feed']['reply'];

interface Owed extends Wanted {
  /** 0: found by comparison. */
  readonly lsn: Lsn;
}

/** Where this device is with one other. */
interface Link {
  readonly peer: number;
  /** Bookmark of the current log; unknown until the peer was asked. */
  name: string | undefined;
  /** Read up to here, in memory. */
  position: Lsn;
  /** True from when the end of the feed was reached until something may have been missed. */
  level: boolean;
  readonly owed: Map<string, Owed>;
  comparison: Comparison | undefined;
  /** Position that a finished comparison stands for. */
  comparedTo: Lsn;
  restBytes: number;
  nextAtMs: number;
  failures: number;
  toldConsumer: Lsn | undefined;
}

export class CatchUp implements Daemon {
  readonly #world: DaemonWorld;
  readonly #followEveryMs: number;
  readonly #loop: Loop;
  readonly #links: readonly Link[];
  /** Registers fetched since the start. */
  fetched = 0;

  constructor(world: DaemonWorld, { followEveryMs = FOLLOW_EVERY_MS }: CatchUpOptions = {}) {
    this.#world = world;
    this.#followEveryMs = followEveryMs;
    this.#links = [...world.peers.keys()].map(newLink);
    this.#loop = new Loop({
      clock: world.clock,
      step: () => this.#step(),
      onBug: (err) => world.log.error({ device: world.device.deviceId, err }, 'catch-up failed'),
    });
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /** Log bytes still to go through, by device; at least 1 for each that this device is not level with. */
  behind(): Record<number, number> {
    const behind: Record<number, number> = {};
    for (const { peer, level, restBytes, owed } of this.#links) {
      if (!level || owed.size > 0) behind[peer] = Math.max(1, restBytes);
    }
    return behind;
  }

  async #step(): Promise<number> {
    const { device, clock } = this.#world;
    const writable = device.status().state === 'up';
    let waitMs = this.#followEveryMs;
    for (const link of this.#links) {
      if (this.#loop.stopping) break;
      if (!writable || !peerOf(this.#world, link.peer)) {
        link.level = false;
        waitMs = Math.min(waitMs, LOOK_EVERY_MS);
        continue;
      }
      if (clock.monotonicMs() >= link.nextAtMs) await this.#visit(link);
      waitMs = Math.min(waitMs, Math.max(0, link.nextAtMs - clock.monotonicMs()));
    }
    // A peer that goes away and comes back in between must be noticed: looking is free.
    return Math.min(waitMs, LOOK_EVERY_MS);
  }

  async #visit(link: Link): Promise<void> {
    const { clock } = this.#world;
    try {
      await this.#advance(link);
      link.failures = 0;
      const idle = link.level && link.owed.size === 0;
      link.nextAtMs = clock.monotonicMs() + (idle ? this.#followEveryMs : link.level ? RETRY_MIN_MS * 4 : 0);
    } catch (error) {
      if (!isFault(error)) throw error;
      link.level = false;
      link.nextAtMs = clock.monotonicMs() + Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** link.failures++);
    }
  }

  /** One bounded piece of work. */
  async #advance(link: Link): Promise<void> {
    const peer = peerOf(this.#world, link.peer);
    if (!peer) return;
    const look = await this.#look(link, peer);
    if (link.owed.size > 0) await this.#payOwed(link);
    if (link.owed.size >= OWED_MAX) return;
    if (link.comparison) return this.#compare(link, link.comparison);
    if (link.position < look.oldest) {
      link.level = false;
      link.comparison = new Comparison(this.#world, link.peer);
      link.comparedTo = Math.max(0, look.synced - 1);
      return;
    }
    if (!link.level) return this.#pull(link, peer);
    // What is settled there is here, or a handoff copy says that it is owed.
    if (look.settled > link.position) this.#moveTo(link, look.settled);
  }

  /** Reads no log; tells the peer how far its log is needed. */
  async #look(link: Link, peer: Peer): Promise<Feed> {
    const { device, ring } = this.#world;
    const saved = link.name === undefined ? undefined : device.bookmarks.get(link.name);
    // What was saved at the last look is durable by now, most likely; if not, the price is a comparison.
    const tell = saved !== undefined && saved === link.toldConsumer ? { consumer: `device ${device.deviceId}` } : {};
    link.toldConsumer = saved;
    const feed = await ask(peer, 'feed', { device: link.peer, after: saved ?? 0, limit: 0, ...tell });
    const prefix = `pull ${link.peer} `;
    const name = `${prefix}${feed.log} ${ring.version}`;
    if (name !== link.name) {
      // Another log (a replaced disk) or another ring: positions mean nothing any more.
      for (const old of [...device.bookmarks.keys()]) {
        if (old.startsWith(prefix) && old !== name) device.setBookmark(old, undefined);
      }
      Object.assign(link, { ...newLink(link.peer), name, position: device.bookmarks.get(name) ?? 0 });
    }
    return feed;
  }

  async #pull(link: Link, peer: Peer): Promise<void> {
    const args = { device: link.peer, after: link.position, limit: PAGE_ENTRIES };
    const page = await ask(peer, 'feed', args, { deadlineMs: PAGE_MS });
    const wanted = new Map<string, Owed>();
    for (const entry of page.entries) if (lacks(this.#world, entry)) wanted.set(entry.key, entry);
    await this.#fetch(link, [...wanted.values()]);
    if (this.#loop.stopping) return;
    link.restBytes = page.restBytes;
    this.#moveTo(link, page.next);
    if (page.next >= page.synced - 1) link.level = true;
  }

  async #compare(link: Link, comparison: Comparison): Promise<void> {
    const wanted = await comparison.next();
    await this.#fetch(
      link,
      wanted.map((each) => ({ ...each, lsn: 0 })),
    );
    if (this.#loop.stopping) return;
    link.restBytes = comparison.restBytes;
    if (!comparison.done) return;
    link.comparison = undefined;
    this.#moveTo(link, link.comparedTo);
  }

  async #fetch(link: Link, wanted: readonly Owed[]): Promise<void> {
    // Owed until they are here: a fetch that breaks off must not lose them.
    for (const each of wanted) link.owed.set(each.key, each);
    const failed = await fetchRegisters(this.#world, link.peer, wanted, () => this.#loop.stopping);
    if (this.#loop.stopping) return;
    for (const { key } of wanted) link.owed.delete(key);
    for (const each of failed) link.owed.set(each.key, each as Owed);
    this.fetched += wanted.length - failed.length;
  }

  async #payOwed(link: Link): Promise<void> {
    for (const each of link.owed.values()) if (!lacks(this.#world, each)) link.owed.delete(each.key);
    await this.#fetch(link, [...link.owed.values()]);
    if (link.owed.size === 0) this.#moveTo(link, link.position);
  }

  /** The bookmark stays below what is still owed: after a restart it is found again. */
  #moveTo(link: Link, position: Lsn): void {
    const { device } = this.#world;
    link.position = Math.max(link.position, position);
    if (link.name === undefined) return;
    const saved = device.bookmarks.get(link.name) ?? 0;
    let safe = link.position;
    for (const { lsn } of link.owed.values()) safe = Math.min(safe, lsn - 1);
    if (safe > saved) device.setBookmark(link.name, safe);
  }
}

function newLink(peer: number): Link {
  return {
    peer,
    name: undefined,
    position: 0,
    level: false,
    owed: new Map(),
    comparison: undefined,
    comparedTo: 0,
    restBytes: 0,
    nextAtMs: 0,
    failures: 0,
    toldConsumer: undefined,
  };
}
