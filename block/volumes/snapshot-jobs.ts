/**
 * Snapshots and backups on their way into the object store. A job begins with a moment that the engine holds, and ends when
 * the snapshot is durable and the engine counts changes since it. Whatever dies in between, a job that is begun ends:
 * `resume` goes on where the engine still holds the moment, and fails the job where it does not. Never deletes a snapshot.
 */
import type { Clock } from '../../fabric/clock.ts';
import type { DiskSpace } from '../../fabric/disk.ts';
import { Fault, isFault } from '../../fabric/errors.ts';
import type { StreamNet } from '../../fabric/net.ts';
import {
  engineFaults,
  SNAPSHOT_STATES,
  VOLUME_PHASES,
  type VolumeEngine,
  type VolumeStatus,
} from '../engine/contract.ts';
import type { Extent, Repository, UploadProgress, UploadSession } from '../repository/contract.ts';
import { repositoryFaults } from '../repository/contract.ts';
import { baseOf, merge } from './base.ts';
import { type SnapshotPlace, type SnapshotView, volumeFaults } from './contract.ts';
import { emptyMoment, type Moment, openMoment } from './moment.ts';
import type { Job, VolumeRecord } from './record-format.ts';
import type { VolumeTable } from './volume-table.ts';

export interface JobsWorld {
  readonly table: VolumeTable;
  readonly engine: VolumeEngine;
  readonly repository: Repository;
  readonly clock: Clock;
  readonly net: StreamNet;
  /** Of the file system that holds the volumes. */
  readonly space: () => Promise<DiskSpace>;
  readonly log: { warn(details: object, message: string): void; error(details: object, message: string): void };
}

/** A job that this process works at. */
interface Running {
  readonly volume: string;
  readonly place: SnapshotPlace;
  session: UploadSession | undefined;
  progress: UploadProgress | undefined;
  scan: 'changed' | 'full';
  paused: boolean;
  /** Why it is to end before its time. */
  stop: Fault | undefined;
  ended: Promise<void>;
}

export class SnapshotJobs {
  readonly #world: JobsWorld;
  readonly #running = new Map<string, Running>();

  constructor(world: JobsWorld) {
    this.#world = world;
  }

  get count(): number {
    return this.#running.size;
  }

  /** The moment is taken when this returns; the upload follows. In the volume's turn. */
  async begin(volume: string, job: Job): Promise<void> {
    const { table } = this.#world;
    await table.change(volume, ({ jobs }) => ({ jobs: [...jobs, job] }));
    const running = this.#start(volume, job);
    try {
      await this.#take(running, job);
      if (running.stop) throw running.stop;
    } catch (error) {
      this.#running.delete(keyOf(job));
      await this.#clearAway(running);
      await this.#forget(running);
      throw error;
    }
    running.ended = this.#work(running);
  }

  /** After a restart, for each job that did not fail. */
  async resume(volume: string, job: Job): Promise<void> {
    const running = this.#start(volume, job);
    running.ended = this.#work(running);
  }

  pause(place: SnapshotPlace, paused: boolean): void {
    const running = this.#find(place);
    running.paused = paused;
    if (paused) running.session?.pause();
    else running.session?.resume();
  }

  /** Resolves when nothing of it is left. */
  async cancel(place: SnapshotPlace): Promise<void> {
    const running = this.#find(place);
    await this.#end(running, new Fault(repositoryFaults.cancelled, {}, 'it was cancelled'));
    await this.#forget(running);
  }

  /** The engine lost the moment: an upload of it would be torn. */
  async lost(volume: string, snapshot: string, reason: string): Promise<void> {
    const running = [...this.#running.values()].find((one) => one.volume === volume && one.place.snapshot === snapshot);
    if (running) await this.#end(running, new Fault(volumeFaults.broken, {}, reason));
  }

  /** Lets go without ending anything: the next process resumes. */
  async release(): Promise<void> {
    for (const running of this.#running.values()) {
      running.stop = new Fault(RELEASED);
      running.session?.pause();
    }
    this.#running.clear();
  }

  view(record: VolumeRecord, job: Job): SnapshotView {
    const running = this.#running.get(keyOf(job));
    const progress = running?.progress;
    return {
      ...{ lineage: job.lineage, snapshot: job.snapshot, volume: record.id, kind: job.kind, name: job.name },
      status: job.phase === 'failed' ? 'error' : 'creating',
      sizeBytes: record.sizeBytes,
      chunkBytes: record.chunkBytes,
      createdMs: job.createdMs,
      scan: running?.scan ?? 'full',
      ...(progress && {
        progress: { doneBytes: progress.doneBytes, totalBytes: progress.totalBytes, paused: running?.paused ?? false },
      }),
      uploadedBytes: progress?.counters.uploadedBytes ?? 0,
      storedBytes: 0,
      error: job.error,
    };
  }

  #start(volume: string, { lineage, snapshot }: Job): Running {
    const place = { lineage, snapshot };
    const running: Running = {
      ...{ volume, place, session: undefined, progress: undefined, paused: false, stop: undefined },
      ...{ scan: 'full', ended: Promise.resolve() },
    };
    this.#running.set(keyOf(place), running);
    return running;
  }

  #find(place: SnapshotPlace): Running {
    const running = this.#running.get(keyOf(place));
    if (running) return running;
    throw new Fault(volumeFaults.noSuchSnapshot, { ...place }, `snapshot ${place.snapshot} is not being taken here`);
  }

  /** Has the engine hold the moment, unless there is nothing to hold: nobody wrote to a volume without files. */
  async #take({ volume, place }: Running, job: Job): Promise<void> {
    const { engine, space } = this.#world;
    const status = await engine.status(volume);
    if (status.phase !== VOLUME_PHASES.lazy) {
      const reserveBytes = reserveFor(status, (await space()).freeBytes);
      await engine.beginSnapshot(volume, { snapshotId: place.snapshot, reserveBytes });
    }
    await this.#record(volume, { ...job, phase: 'taken' });
  }

  async #work(running: Running): Promise<void> {
    try {
      const job = this.#job(running);
      // What was stored before a moment was taken would not be that moment.
      if (job.phase === 'asked') await this.#take(running, job);
      if (job.phase === 'asked' || !(await this.#isStored(running))) await this.#upload(running, job);
      await this.#settle(running, !job.alone);
    } catch (error) {
      await this.#fail(running, error as Error);
    } finally {
      if (this.#running.get(keyOf(running.place)) === running) this.#running.delete(keyOf(running.place));
    }
  }

  async #isStored({ place }: Running): Promise<boolean> {
    try {
      await this.#world.repository.get(place);
      return true;
    } catch (error) {
      if (isFault(error, repositoryFaults.noSuchSnapshot) || isFault(error, repositoryFaults.noSuchLineage))
        return false;
      throw error;
    }
  }

  async #upload(running: Running, job: Job): Promise<void> {
    const { table, engine, repository } = this.#world;
    const record = table.get(running.volume);
    const status = await engine.status(running.volume);
    const { moment, counted } = await this.#openMoment(running, status);
    try {
      const plan = job.alone ? undefined : await this.#plan(record, moment, counted);
      running.scan = plan ? 'changed' : 'full';
      running.session = await repository.beginUpload({
        ...{ lineage: job.lineage, snapshot: job.snapshot, volume: record.id, sizeBytes: status.sizeBytes },
        chunkBytes: record.chunkBytes,
        ...(plan ? { base: plan.base, changed: plan.changed } : { changed: 'all' }),
        source: moment.source,
        ...{ verify: moment.verify, pointInTime: job.snapshot },
        ...(job.streams !== undefined && { streams: job.streams }),
        labels: { ...job.labels, name: job.name, kind: job.kind, volumeName: record.name },
        onProgress: (progress) => {
          running.progress = progress;
        },
      });
      if (running.paused) running.session.pause();
      if (running.stop) throw running.stop;
      await running.session.run();
    } finally {
      await moment.close();
    }
  }

  /** Never another moment than the one that was taken: what is uploaded already is of that one. */
  async #openMoment(
    { volume, place }: Running,
    { phase, snapshot }: VolumeStatus,
  ): Promise<{ moment: Moment; counted: string | undefined }> {
    if (phase === VOLUME_PHASES.lazy) return { moment: emptyMoment, counted: undefined };
    if (snapshot.state !== SNAPSHOT_STATES.open || snapshot.snapshotId !== place.snapshot) {
      const why =
        snapshot.failure === engineFaults.snapshotSpace ? 'space for it ran low' : "the volume's daemon or host died";
      throw new Fault(engineFaults.snapshotLost, { ...place }, `the moment of the snapshot is lost: ${why}`);
    }
    const { engine, net, clock } = this.#world;
    const { exportUri, dirtyContext, baseSnapshotId } = await engine.beginSnapshot(volume, {
      snapshotId: place.snapshot,
    });
    const verify = (): Promise<void> => engine.verifySnapshot(volume, place.snapshot);
    const moment = await openMoment({ net, clock }, { exportUri, dirtyContext, verify });
    return { moment, counted: baseSnapshotId };
  }

  /** Undefined: everything must be read. */
  async #plan(
    record: VolumeRecord,
    moment: Moment,
    counted: string | undefined,
  ): Promise<{ base: string; changed: Extent[] } | undefined> {
    const base = baseOf(record, counted);
    const changed = base && (await moment.changed());
    if (!base || !changed) return undefined;
    try {
      const info = await this.#world.repository.get({ lineage: record.lineage, snapshot: base.snapshot });
      if (info.chunkBytes !== record.chunkBytes) return undefined;
    } catch (error) {
      // Deleted by somebody else: what it shares with others is found by its hashes.
      if (isFault(error, repositoryFaults.noSuchSnapshot) || isFault(error, repositoryFaults.noSuchLineage))
        return undefined;
      throw error;
    }
    return { base: base.snapshot, changed: merge([...changed, ...base.changed]) };
  }

  /** The snapshot is durable: from now on the engine counts changes since it. */
  async #settle(running: Running, keep: boolean): Promise<void> {
    await this.#endMoment(running, keep);
    await this.#world.table.change(running.volume, ({ jobs }) => ({
      jobs: without(jobs, running.place),
      ...(keep && { baseInstead: undefined }),
    }));
  }

  async #fail(running: Running, error: Error): Promise<void> {
    const reason = running.stop ?? error;
    if (isFault(reason, RELEASED)) return;
    const { log } = this.#world;
    log.warn({ err: error, volume: running.volume, ...running.place }, 'a snapshot failed');
    await this.#clearAway(running);
    if (!this.#world.table.find(running.volume) || isFault(reason, repositoryFaults.cancelled)) return;
    await this.#record(running.volume, { ...this.#job(running), phase: 'failed', error: reason.message });
  }

  /** The guest's moment first: it holds space, the rest is garbage that somebody will collect. */
  async #clearAway(running: Running): Promise<void> {
    const steps = [
      () => this.#endMoment(running, false),
      () => this.#world.repository.abandonUpload(running.place),
    ] as const;
    for (const step of steps) {
      try {
        await step();
      } catch (error) {
        this.#world.log.warn({ err: error, ...running.place }, 'what is left of a failed snapshot stays for now');
      }
    }
  }

  async #endMoment({ volume, place }: Running, keep: boolean): Promise<void> {
    const { engine } = this.#world;
    const { snapshot } = await engine.status(volume);
    if (snapshot.state === SNAPSHOT_STATES.none || snapshot.snapshotId !== place.snapshot) return;
    await engine.endSnapshot(volume, {
      snapshotId: place.snapshot,
      keep: keep && snapshot.state === SNAPSHOT_STATES.open,
    });
  }

  async #end(running: Running, why: Fault): Promise<void> {
    running.stop = why;
    try {
      await running.session?.cancel();
    } catch (error) {
      // Its own end says what there is to say.
      if (!isFault(error)) throw error;
    }
    await running.ended;
  }

  async #forget({ volume, place }: Running): Promise<void> {
    const { table } = this.#world;
    if (table.find(volume)) await table.change(volume, ({ jobs }) => ({ jobs: without(jobs, place) }));
  }

  #job({ volume, place }: Running): Job {
    const job = this.#world.table.get(volume).jobs.find((one) => keyOf(one) === keyOf(place));
    if (!job) throw new Fault(volumeFaults.noSuchSnapshot, { ...place }, `snapshot ${place.snapshot} is gone`);
    return job;
  }

  async #record(volume: string, job: Job): Promise<void> {
    const replaced = (one: Job): Job => (keyOf(one) === keyOf(job) ? job : one);
    await this.#world.table.change(volume, ({ jobs }) => ({ jobs: jobs.map(replaced) }));
  }
}

/**
 * Space for what the guest overwrites during an upload: enough for a volume that is overwritten as a whole where that is little, a
 * sixteenth of a large one, half of what is free on a full disk. Holes cost their share of the reserve's tables alone.
 */
function reserveFor({ sizeBytes, allocatedBytes }: VolumeStatus, freeBytes: number): number {
  const tables = Math.ceil(sizeBytes / RESERVE_TABLES_SHARE) + RESERVE_BYTES_MIN;
  const usual = Math.max(RESERVE_BYTES_USUAL, sizeBytes / RESERVE_SHARE);
  return Math.ceil(Math.min(usual, allocatedBytes + tables, Math.max(RESERVE_BYTES_MIN, freeBytes / 2)));
}

const RESERVE_BYTES_MIN = 64 * 2 ** 20;
const RESERVE_BYTES_USUAL = 2 ** 30;
const RESERVE_SHARE = 16;
/** More than QEMU's tables take of what they describe. */
const RESERVE_TABLES_SHARE = 4096;

const without = (jobs: readonly Job[], place: SnapshotPlace): Job[] =>
  jobs.filter((job) => keyOf(job) !== keyOf(place));

const RELEASED = 'Released';

export const keyOf = ({ lineage, snapshot }: SnapshotPlace): string => `${lineage}/${snapshot}`;
