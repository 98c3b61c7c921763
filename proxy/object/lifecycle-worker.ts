/**
 * Carries out lifecycle rules: once a day, at midnight UTC, over the listings of the buckets that have any, page by page,
 * with rests for the clients; one proxy of the cluster at a time holds the lease. Objects are not read, but where a rule
 * asks for tags or a bucket has object lock. Every deletion is decided on the version that was listed: what was written
 * since stays, and what is locked stays locked. Without such buckets it reads nothing.
 */
import { isFault } from '../../fabric/errors.ts';
import { stampMs } from '../../fabric/stamp.ts';
import { headStamp, isTombstone } from '../../object-server/contract.ts';
import { readQuorum } from '../quorum-read.ts';
import { objectKey } from './commit.ts';
import { commitVersion } from './commit-version.ts';
import { abortFound } from './complete.ts';
import type { ContainerState } from './containers.ts';
import type { UploadInfo, VersionEntry } from './contract.ts';
import { deleteVersion } from './delete-version.ts';
import type { Engine } from './engine.ts';
import { announced } from './events.ts';
import { findVersion } from './find-version.ts';
import { doneUntil, dropBucket, hasBuckets, holdLease, notedBuckets } from './lifecycle-index.ts';
import {
  asksForTags,
  commonPrefix,
  dueMs,
  expiresMs,
  type LifecycleRule,
  matchesRow,
  matchesTags,
  REAL_DAY_MS,
  rulesOf,
} from './lifecycle-rules.ts';
import { uploadsPage } from './list.ts';
import { versionsPage } from './list-versions.ts';
import { decodeMeta, type ObjectRecord } from './object-format.ts';
import { lockFault, lockOf } from './object-lock.ts';
import { checkWritable } from './read-only.ts';
import type { Version } from './set-aside.ts';
import { loadUpload } from './upload.ts';
import { versioningOf } from './version-format.ts';
import { vacate } from './version-place.ts';

const PAGE = 1000;
/** Deletions under way at a time, and the rest after each group and each page. */
const PARALLEL = 4;
const REST_MS = 10;
/** How often it asks whether another proxy has noted buckets, or left a day undone. */
const LOOK_EVERY_MS = 3600 * 1000;
const LOOK_MIN_MS = 1000;
/** After midnight, so that clocks that differ agree on the day, and proxies do not come all at once. */
const AFTER_MIDNIGHT_MS = 60_000;
const LEASE_MS = 60_000;
/** A row without rules may belong to a change on its way for so long. */
const IN_FLIGHT_MS = 3600 * 1000;

export interface LifecycleWorker {
  /** Everything that is due; resolves with the number of deletions. */
  pass(): Promise<number>;
  start(): void;
  stop(): void;
}

export function createLifecycleWorker(engine: Engine): LifecycleWorker {
  const worker = new Worker(engine);
  return { pass: () => worker.pass(), start: () => worker.arm(), stop: () => worker.stop() };
}

type Versioned = Exclude<VersionEntry, { prefix: string }>;

/** A listed version, and what came before it in the list. */
interface Listed {
  readonly entry: Versioned;
  /** Since when it is not the current one, and how many newer ones of its name are not. */
  readonly noncurrent?: { readonly sinceMs: number; readonly newer: number } | undefined;
  /** Whether more of its name follow. */
  isOnly: boolean;
}

class Worker {
  readonly #engine: Engine;
  readonly #dayMs: number;
  #timer: { cancel(): void } | undefined;
  #stopped = false;
  #leaseUntilMs = 0;
  /** Another proxy has taken over, or no quorum said that none has. */
  #isLost = false;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#dayMs = engine.lifecycleDayMs;
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  arm(): void {
    if (this.#stopped) return;
    const { clock, random } = this.#engine.cluster;
    const isReal = this.#dayMs === REAL_DAY_MS;
    const every = Math.max(LOOK_MIN_MS, Math.min(LOOK_EVERY_MS, this.#dayMs / 4));
    const sinceMidnight = clock.nowMs() % this.#dayMs;
    const untilNext = this.#dayMs - sinceMidnight + AFTER_MIDNIGHT_MS + random.below(AFTER_MIDNIGHT_MS);
    const delayMs = isReal ? Math.min(every, untilNext) : every;
    this.#timer = clock.after(delayMs, () => {
      this.#engine.later('lifecycle', () => this.#look().finally(() => this.arm()));
    });
  }

  async #look(): Promise<void> {
    const { cluster } = this.#engine;
    try {
      if (!(await hasBuckets(cluster))) return;
      const nowMs = cluster.clock.nowMs();
      const isReal = this.#dayMs === REAL_DAY_MS;
      const midnightMs = isReal ? Math.floor((nowMs - AFTER_MIDNIGHT_MS) / this.#dayMs) * this.#dayMs : nowMs;
      if (isReal && (await doneUntil(cluster)) >= midnightMs) return;
      await this.pass(midnightMs);
    } catch (error) {
      // The quorum is away; the next look finds the same.
      if (!isFault(error)) throw error;
    }
  }

  /** `doneMs`: what is to be remembered as done. */
  async pass(doneMs = this.#engine.cluster.clock.nowMs()): Promise<number> {
    const { cluster } = this.#engine;
    this.#leaseUntilMs = 0;
    this.#isLost = false;
    if (!(await this.#keepLease())) return 0;
    let deleted = 0;
    let failed = false;
    for await (const { notedMs, ...ref } of notedBuckets(cluster)) {
      if (this.#stopped || this.#isLost) return deleted;
      try {
        const container = await this.#engine.containers.findFresh(ref);
        const rules = container && rulesOf(container.record)?.filter(({ enabled }) => enabled);
        if (container && rules && rules.length > 0) {
          await checkWritable(this.#engine, container.record, 's3:DeleteObject');
          deleted += await this.#bucket(container, rules);
        }
        if (!(container && rulesOf(container.record)) && notedMs < cluster.clock.nowMs() - IN_FLIGHT_MS)
          await dropBucket(cluster, ref);
      } catch (error) {
        if (!isFault(error)) throw error;
        failed = true;
      }
    }
    // What failed is tried again at the next look.
    if (!this.#stopped && !this.#isLost) await holdLease(cluster, { untilMs: 0, doneMs: failed ? undefined : doneMs });
    return deleted;
  }

  /** False when another proxy has taken over: the pass ends, and is not done. */
  async #keepLease(): Promise<boolean> {
    const { cluster } = this.#engine;
    const nowMs = cluster.clock.nowMs();
    if (nowMs < this.#leaseUntilMs - LEASE_MS / 2) return true;
    const untilMs = nowMs + LEASE_MS;
    const isMine = await holdLease(cluster, { untilMs });
    if (isMine) this.#leaseUntilMs = untilMs;
    else this.#isLost = true;
    return isMine;
  }

  async #bucket(container: ContainerState, rules: readonly LifecycleRule[]): Promise<number> {
    let deleted = 0;
    const ofVersions = rules.filter(({ expiration, noncurrent }) => expiration || noncurrent);
    if (ofVersions.length > 0) deleted += await this.#versions(container, ofVersions);
    const ofUploads = rules.filter(({ abortDays }) => abortDays !== undefined);
    if (ofUploads.length > 0) deleted += await this.#uploads(container, ofUploads);
    return deleted;
  }

  async #versions(container: ContainerState, rules: readonly LifecycleRule[]): Promise<number> {
    const query = { prefix: commonPrefix(rules), limit: PAGE };
    let deleted = 0;
    let before: Listed | undefined;
    let from: { marker?: string; versionIdMarker?: string } = {};
    while (!this.#stopped && (await this.#keepLease())) {
      const page = await versionsPage(this.#engine, container, { ...query, ...from });
      const listed: Listed[] = before ? [before] : [];
      for (const entry of page.entries) {
        if ('prefix' in entry) continue;
        before = follow(before, entry);
        listed.push(before);
      }
      // Of the last one it is not known yet whether it is the only one of its name.
      const settled = page.truncated ? listed.slice(0, -1) : listed;
      deleted += await this.#all(settled, (each) => this.#version(container, rules, each));
      if (!page.truncated || before === undefined) break;
      from = { marker: before.entry.name, versionIdMarker: before.entry.versionId };
    }
    return deleted;
  }

  async #all<T>(items: readonly T[], work: (item: T) => Promise<boolean> | undefined): Promise<number> {
    let done = 0;
    let group: Promise<boolean>[] = [];
    const flush = async (): Promise<void> => {
      for (const outcome of await Promise.all(group)) if (outcome) done++;
      group = [];
      await this.#engine.cluster.clock.sleep(REST_MS);
    };
    for (const item of items) {
      if (this.#stopped) break;
      const working = work(item);
      if (working) group.push(working.catch(refused));
      if (group.length === PARALLEL) await flush();
    }
    await flush();
    return done;
  }

  /** Undefined at once for what is not due. */
  #version(container: ContainerState, rules: readonly LifecycleRule[], listed: Listed): Promise<boolean> | undefined {
    const due = rules.filter((rule) => this.#isDue(rule, listed));
    return due.length === 0 ? undefined : this.#carryOut(container, due, listed);
  }

  #isDue(rule: LifecycleRule, { entry, noncurrent, isOnly }: Listed): boolean {
    if (!matchesRow(rule, entry)) return false;
    const nowMs = this.#engine.cluster.clock.nowMs();
    if (noncurrent) {
      if (!rule.noncurrent || noncurrent.newer < (rule.noncurrent.keep ?? 0)) return false;
      return dueMs(noncurrent.sinceMs, rule.noncurrent.days, this.#dayMs) <= nowMs;
    }
    const atMs = expiresMs(rule, stampMs(entry.stamp), this.#dayMs) ?? Number.POSITIVE_INFINITY;
    // A marker with nothing behind it goes by its own rule, or by age.
    if (entry.deleteMarker) return isOnly && (rule.expiration?.marker === true || atMs <= nowMs);
    return atMs <= nowMs;
  }

  async #carryOut(
    container: ContainerState,
    due: readonly LifecycleRule[],
    { entry, noncurrent }: Listed,
  ): Promise<boolean> {
    const isVersioned = versioningOf(container) !== undefined;
    const asksObject = due.every(asksForTags) || (noncurrent && lockOf(container.record) !== undefined);
    if (asksObject && !(await this.#allows(container, due, entry))) return false;
    const { name } = entry;
    const isMarked = isVersioned && !noncurrent && !entry.deleteMarker;
    const event = isMarked ? 'LifecycleExpiration:DeleteMarkerCreated' : 'LifecycleExpiration:Delete';
    const versionId = isVersioned && !isMarked ? entry.versionId : undefined;
    const happening = { container, name, event, versionId } as const;
    const tell = (done: boolean) => (done ? { versionId } : undefined);
    return announced(this.#engine, happening, () => this.#expire(container, { entry, noncurrent }), tell);
  }

  async #expire(container: ContainerState, { entry, noncurrent }: Omit<Listed, 'isOnly'>): Promise<boolean> {
    const { name, versionId, stamp } = entry;
    if (noncurrent || entry.deleteMarker) {
      const deleted = await deleteVersion(this.#engine, {
        container,
        name,
        versionId,
        onlyOlder: noncurrent !== undefined,
      });
      return deleted.existed;
    }
    const isListed = (found: Version | undefined): boolean =>
      found !== undefined && found.record.marker !== true && headStamp(found.register.head) === stamp;
    if (versioningOf(container) === undefined)
      return (await vacate(this.#engine, { container, name, only: isListed })) !== undefined;
    const { account, name: containerName } = container.record;
    const marker: ObjectRecord = { account, container: containerName, name, size: 0, etag: '', type: '', marker: true };
    await commitVersion(this.#engine, { container, name, record: marker, only: isListed });
    return true;
  }

  /** What only the object knows: its tags, and whether it is locked. */
  async #allows(container: ContainerState, due: readonly LifecycleRule[], entry: Versioned): Promise<boolean> {
    const { cluster } = this.#engine;
    const key = objectKey(this.#engine, container, entry.name);
    const held = versioningOf(container) === undefined ? await readQuorum(cluster, key, false) : undefined;
    const plain = held && !isTombstone(held.head) ? decodeMeta<ObjectRecord>(held.head) : undefined;
    const record = plain ?? (await findVersion(cluster, key, { versionId: entry.versionId, body: false }))?.record;
    if (!record || lockFault(record, cluster.clock.nowMs()) !== undefined) return false;
    return due.some((rule) => matchesTags(rule, record.tags));
  }

  async #uploads(container: ContainerState, rules: readonly LifecycleRule[]): Promise<number> {
    const nowMs = this.#engine.cluster.clock.nowMs();
    let aborted = 0;
    let from: { marker?: string; uploadIdMarker?: string } = {};
    while (!this.#stopped && (await this.#keepLease())) {
      const page = await uploadsPage(this.#engine, container, { prefix: commonPrefix(rules), limit: PAGE, ...from });
      const uploads = page.entries.filter((entry): entry is UploadInfo => 'uploadId' in entry);
      const isDue = ({ name, stamp }: UploadInfo): boolean =>
        rules.some(
          (rule) =>
            name.startsWith(rule.filter.prefix ?? '') &&
            dueMs(stampMs(stamp), rule.abortDays ?? 0, this.#dayMs) <= nowMs,
        );
      aborted += await this.#all(uploads.filter(isDue), async ({ name, uploadId }) => {
        await abortFound(this.#engine, await loadUpload(this.#engine, container, name, uploadId));
        return true;
      });
      const last = uploads.at(-1);
      if (!page.truncated || !last) break;
      from = { marker: last.name, uploadIdMarker: last.uploadId };
    }
    return aborted;
  }
}

/** The next version of a list, seen from the one before it. */
function follow(before: Listed | undefined, entry: Versioned): Listed {
  if (before?.entry.name !== entry.name) return { entry, isOnly: true };
  before.isOnly = false;
  if (entry.isLatest) return { entry, isOnly: false };
  const newer = before.noncurrent ? before.noncurrent.newer + (before.entry.deleteMarker ? 0 : 1) : 0;
  return { entry, isOnly: false, noncurrent: { sinceMs: stampMs(before.entry.stamp), newer } };
}

/** Others were there first, it is locked, or the quorum is away: it is looked at again the next day. */
function refused(error: unknown): false {
  if (!isFault(error)) throw error;
  return false;
}
