/**
 * Empties deleted accounts (account-deletion.ts), as Swift's account-reaper does: their containers are closed at once,
 * and after a delay every version, delete marker and upload in them goes, then the containers, then the account, whose
 * name is free again from then on. A few at a time, with rests for the clients; one proxy of the cluster holds the lease.
 *
 * It remembers nothing: what is left is what the account still lists, so that a crash costs no more than looking again.
 * What object lock holds it leaves, and with it the account: deleted, out of reach, until the lock has ended.
 */
import { isFault } from '../../fabric/errors.ts';
import { stampMs } from '../../fabric/stamp.ts';
import { encodeHead, FLAG_TOMBSTONE, headStamp, isTombstone } from '../../object-server/contract.ts';
import { decide, KEEP } from '../quorum-decide.ts';
import { closeContainers, containerRows } from './account-deletion.ts';
import { findHeldAccount } from './accounts.ts';
import { type ClosedRow, closeContainer, removeClosed } from './closed-containers.ts';
import { abortFound } from './complete.ts';
import type { ContainerState } from './containers.ts';
import type { UploadInfo, VersionEntry } from './contract.ts';
import { deleteVersion } from './delete-version.ts';
import type { Engine } from './engine.ts';
import { uploadsPage } from './list.ts';
import { versionsPage } from './list-versions.ts';
import { dropDeletion, hasDeletions, holdReaping, type NotedDeletion, notedDeletions } from './reaper-index.ts';
import type { AccountState } from './recent-accounts.ts';
import { listRows, rowQuery } from './rows.ts';
import { loadUpload } from './upload.ts';
import { versioningOf } from './version-format.ts';
import { vacate } from './version-place.ts';
import { WakeTimer } from './wake-timer.ts';

const PAGE = 1_000;
/** Deletions under way at a time, and the rest after each group. */
const PARALLEL = 4;
const REST_MS = 10;
/** After a failure, or while another proxy reaps. */
const RETRY_MS = 5_000;
const LEASE_MS = 15_000;
/** An entry of an account that lives may belong to a deletion on its way for so long. */
const IN_FLIGHT_MS = 3600 * 1000;

export interface ReaperOptions {
  /** What is in a deleted account is kept, out of reach, for so long. */
  readonly delayS?: number | undefined;
}

export interface Reaper {
  /** Everything that is due; resolves with the number of accounts that are gone. */
  pass(): Promise<number>;
  start(): void;
  stop(): void;
}

export function createReaper(engine: Engine, { delayS = 0 }: ReaperOptions = {}): Reaper {
  const worker = new Worker(engine, delayS * 1000);
  return { pass: () => worker.pass(), start: () => worker.start(), stop: () => worker.stop() };
}

type Versioned = Exclude<VersionEntry, { prefix: string }>;

class Worker {
  readonly #engine: Engine;
  readonly #delayMs: number;
  /** Deleted accounts all of whose containers are closed, by name and deletion. */
  readonly #closed = new Set<string>();
  readonly #timer: WakeTimer;
  #leaseUntilMs = 0;
  #isLost = false;

  constructor(engine: Engine, delayMs: number) {
    this.#engine = engine;
    this.#delayMs = delayMs;
    this.#timer = new WakeTimer(engine, { what: 'reaping of accounts', run: () => this.#look() });
  }

  start(): void {
    this.#engine.reaperHint.listen((atS) => this.#timer.wake(atS * 1000 + this.#delayMs));
    this.#timer.wake(this.#engine.cluster.clock.nowMs() + this.#engine.random.below(1000));
  }

  stop(): void {
    this.#timer.stop();
    this.#engine.reaperHint.listen(undefined);
  }

  async #look(): Promise<void> {
    try {
      await this.pass();
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#again(RETRY_MS);
    }
  }

  async pass(): Promise<number> {
    const { cluster } = this.#engine;
    if (!(await hasDeletions(cluster))) return 0;
    this.#leaseUntilMs = 0;
    this.#isLost = false;
    let gone = 0;
    for await (const noted of notedDeletions(cluster)) {
      if (!(await this.#goesOn())) break;
      try {
        if (await this.#account(noted)) gone++;
      } catch (error) {
        if (!isFault(error)) throw error;
        this.#again(RETRY_MS);
      }
    }
    if (this.#isLost) this.#again(RETRY_MS);
    else if (!this.#timer.stopped) await holdReaping(cluster, 0);
    return gone;
  }

  #again(inMs: number): void {
    this.#timer.wake(this.#engine.cluster.clock.nowMs() + inMs);
  }

  /** False when it is to stop, or another proxy has taken over. */
  async #goesOn(): Promise<boolean> {
    const { cluster } = this.#engine;
    if (this.#timer.stopped || this.#isLost) return false;
    const nowMs = cluster.clock.nowMs();
    if (nowMs < this.#leaseUntilMs - LEASE_MS / 2) return true;
    this.#isLost = !(await holdReaping(cluster, nowMs + LEASE_MS));
    this.#leaseUntilMs = nowMs + LEASE_MS;
    return !this.#isLost;
  }

  /** True when it is gone now. */
  async #account(noted: NotedDeletion): Promise<boolean> {
    const { account: name } = noted;
    const { cluster, recentAccounts } = this.#engine;
    const account = await findHeldAccount(this.#engine, name);
    if (account?.record.deletedRows === undefined) {
      if (stampMs(noted.stamp) < cluster.clock.nowMs() - IN_FLIGHT_MS) await dropDeletion(cluster, noted);
      return false;
    }
    const id = `${account.guardStamp} ${name}`;
    if (!this.#closed.has(id) && (await closeContainers(this.#engine, account))) this.#closed.add(id);
    const waitMs = stampMs(account.guardStamp) + this.#delayMs - cluster.clock.nowMs();
    if (waitMs > 0) {
      this.#again(waitMs);
      return false;
    }
    // What nothing may be written to is not emptied either.
    if (this.#engine.readOnly.everywhere || !(await this.#containers(account))) return false;
    if (!(await finish(this.#engine, account))) return false;
    await dropDeletion(cluster, noted);
    this.#closed.delete(id);
    recentAccounts.forget(name);
    return true;
  }

  /** True when all are gone. */
  async #containers(account: AccountState): Promise<boolean> {
    let isEmpty = true;
    for await (const rows of containerRows(this.#engine, account)) {
      for (const row of rows) {
        if (!(await this.#goesOn())) return false;
        try {
          isEmpty = (await this.#container(account, row)) && isEmpty;
        } catch (error) {
          if (!isFault(error)) throw error;
          this.#again(RETRY_MS);
          isEmpty = false;
        }
      }
    }
    return isEmpty;
  }

  async #container(account: AccountState, row: ClosedRow): Promise<boolean> {
    const ref = { account: account.record.name, container: row.name };
    const found = await this.#engine.containers.findHeld(ref);
    if (found && !found.record.closed) await closeContainer(this.#engine, account, row);
    const container = found && (await this.#engine.containers.findHeld(ref));
    if (container?.record.closed) {
      await this.#versions(container);
      await this.#uploads(container);
    }
    return !this.#timer.stopped && removeClosed(this.#engine, account, row);
  }

  async #versions(container: ContainerState): Promise<void> {
    let from: { marker?: string; versionIdMarker?: string } = {};
    while (await this.#goesOn()) {
      const page = await versionsPage(this.#engine, container, { limit: PAGE, ...from });
      const versions = page.entries.filter((entry): entry is Versioned => !('prefix' in entry));
      await this.#all(versions, (version) => this.#delete(container, version));
      const last = versions.at(-1);
      if (!page.truncated || !last) return;
      from = { marker: last.name, versionIdMarker: last.versionId };
    }
  }

  async #delete(container: ContainerState, { name, versionId }: Versioned): Promise<void> {
    if (versioningOf(container) === undefined) {
      await vacate(this.#engine, { container, name, only: () => true });
      return;
    }
    // The place stays empty: what was there before goes as well.
    await deleteVersion(this.#engine, { container, name, versionId, vacates: true });
  }

  async #uploads(container: ContainerState): Promise<void> {
    let from: { marker?: string; uploadIdMarker?: string } = {};
    while (await this.#goesOn()) {
      const page = await uploadsPage(this.#engine, container, { limit: PAGE, ...from });
      const uploads = page.entries.filter((entry): entry is UploadInfo => 'uploadId' in entry);
      await this.#all(uploads, async ({ name, uploadId }) =>
        abortFound(this.#engine, await loadUpload(this.#engine, container, name, uploadId)),
      );
      const last = uploads.at(-1);
      if (!page.truncated || !last) return;
      from = { marker: last.name, uploadIdMarker: last.uploadId };
    }
  }

  /** What is locked, or cannot be done now, stays: the container is not empty then, and is looked at again. */
  async #all<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
    for (let at = 0; at < items.length && (await this.#goesOn()); at += PARALLEL) {
      const group = items.slice(at, at + PARALLEL);
      await Promise.all(
        group.map((item) =>
          work(item).catch((error: unknown) => {
            if (!isFault(error)) throw error;
          }),
        ),
      );
      await this.#engine.cluster.clock.sleep(REST_MS);
    }
  }
}

/** The account's register goes when nothing is listed any more: no row gets in since it was deleted. */
async function finish({ cluster }: Engine, account: AccountState): Promise<boolean> {
  const { key, guardStamp, rowPrefix } = account;
  if ((await listRows(cluster, rowPrefix, rowQuery({ limit: 1 }))).entries.length > 0) return false;
  const done = await decide(cluster, key, (current, ballot) => {
    if (!current || isTombstone(current.head) || headStamp(current.head) !== guardStamp) return KEEP;
    return { write: [{ head: encodeHead({ key, ballot, stamp: ballot, flags: FLAG_TOMBSTONE }) }] };
  });
  return done.result === 'ok';
}
