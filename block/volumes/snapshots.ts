/**
 * The snapshots of a host's volumes, stored and being taken: what may be asked of them. Owns the rules of their deletion: a
 * volume that is still filled from one keeps it, a volume that counts changes since one is given another.
 */
import { isFault } from '../../fabric/errors.ts';
import { repositoryFaults, type SnapshotInfo } from '../repository/contract.ts';
import { baseOf, standIn } from './base.ts';
import { busy } from './checks.ts';
import type { SnapshotPlace, SnapshotView, TakeSnapshot } from './contract.ts';
import type { Imports } from './imports.ts';
import { type Job, needsSource, type VolumeRecord } from './record-format.ts';
import type { SnapshotExports } from './snapshot-exports.ts';
import { type JobsWorld, keyOf, type SnapshotJobs } from './snapshot-jobs.ts';

export interface SnapshotsWorld extends JobsWorld {
  readonly exports: SnapshotExports;
  readonly imports: Imports;
  /** Told when a snapshot is gone: its space may be taken back. */
  readonly deleted: () => void;
}

export class Snapshots {
  readonly #world: SnapshotsWorld;
  readonly #jobs: SnapshotJobs;

  constructor(world: SnapshotsWorld, jobs: SnapshotJobs) {
    this.#world = world;
    this.#jobs = jobs;
  }

  /** In the turn of the volume, which can be used. */
  async take(record: VolumeRecord, asked: TakeSnapshot): Promise<SnapshotView> {
    const { snapshot, name = '', kind = 'snapshot', alone = false, labels = {}, streams } = asked;
    const known = record.jobs.find((job) => job.snapshot === snapshot);
    if (known) return this.#jobs.view(record, known);
    const other = record.jobs.find((job) => job.phase !== 'failed');
    if (other) throw busy(`snapshot ${other.snapshot} of volume ${record.id} is being taken`);
    const lineage = alone ? snapshot : record.lineage;
    // Asked again after its end, it is the one that is stored: a new moment under an old name would corrupt what follows.
    const stored = await this.#find({ lineage, snapshot });
    if (stored) return this.#stored(stored);
    const job: Job = {
      ...{ lineage, snapshot, kind, name, alone, labels, createdMs: this.#world.clock.nowMs(), phase: 'asked' },
      ...(streams !== undefined && { streams }),
    };
    await this.#jobs.begin(record.id, job);
    return this.show({ lineage, snapshot });
  }

  async list(filter: { volume?: string; lineage?: string }): Promise<{ snapshots: SnapshotView[] }> {
    const { table, repository } = this.#world;
    const stored = (await repository.list(filter.lineage)).map((info) => this.#stored(info));
    const there = new Set(stored.map(keyOf));
    const jobs = table.all().flatMap((record) => record.jobs.map((job) => this.#jobs.view(record, job)));
    const taken = [...jobs, ...this.#world.imports.views()];
    const all = [...stored, ...taken.filter((one) => !there.has(keyOf(one)))];
    const wanted = all.filter(
      (one) =>
        (filter.volume === undefined || one.volume === filter.volume) &&
        (filter.lineage === undefined || one.lineage === filter.lineage),
    );
    return { snapshots: wanted.sort((a, b) => a.createdMs - b.createdMs) };
  }

  async show(place: SnapshotPlace): Promise<SnapshotView> {
    for (const record of this.#world.table.all()) {
      const job = record.jobs.find((one) => keyOf(one) === keyOf(place));
      if (job) return this.#jobs.view(record, job);
    }
    const imported = this.#world.imports.views().find((one) => keyOf(one) === keyOf(place));
    return imported ?? this.#stored(await this.#world.repository.get(place));
  }

  async pause(place: SnapshotPlace, paused: boolean): Promise<SnapshotView> {
    this.#jobs.pause(place, paused);
    return this.show(place);
  }

  async cancel(place: SnapshotPlace): Promise<void> {
    const failed = this.#failedJob(place);
    if (failed) await this.#dropJob(failed, place);
    else await this.#jobs.cancel(place);
  }

  async delete(place: SnapshotPlace): Promise<void> {
    const { table, repository } = this.#world;
    if (this.#world.imports.forgetFailed(place)) return;
    const failed = this.#failedJob(place);
    if (failed) return this.#dropJob(failed, place);
    if (table.all().some(({ jobs }) => jobs.some((job) => keyOf(job) === keyOf(place)))) {
      throw busy(`snapshot ${place.snapshot} is still being taken: cancel it instead`);
    }
    const needing = table
      .all()
      .filter((record) => needsSource(record) && keyOf(record.source as SnapshotPlace) === keyOf(place));
    for (const { id } of needing) await table.change(id, () => ({ dropSource: true }));
    if (needing.length > 0) return;
    await this.#replaceBase(place);
    await repository.delete(place);
    this.#world.deleted();
  }

  async check(place: SnapshotPlace): Promise<{ chunks: number; bytes: number; damaged: string[] }> {
    const { chunks, bytes, damaged } = await this.#world.repository.check(place);
    const told = damaged.map(({ offset, length, reason }) => `${length} bytes at ${offset}: ${reason}`);
    return { chunks, bytes, damaged: told };
  }

  async export(place: SnapshotPlace): Promise<{ uri: string }> {
    const { exports, repository } = this.#world;
    const name = exportOf(place);
    const { sizeBytes } = await repository.get(place);
    await exports.add(name, place, sizeBytes);
    return { uri: exports.uri(name) };
  }

  async unexport(place: SnapshotPlace): Promise<void> {
    await this.#world.exports.remove(exportOf(place));
  }

  /** A snapshot that was to be deleted goes with the last volume that needed it. */
  async sourceDone(record: VolumeRecord): Promise<void> {
    const { source } = record;
    if (!source || !record.dropSource) return;
    const others = this.#world.table.all().filter((one) => one.id !== record.id && needsSource(one));
    if (others.some((one) => keyOf(one.source as SnapshotPlace) === keyOf(source))) return;
    await this.#replaceBase(source);
    await this.#world.repository.delete(source);
    this.#world.deleted();
  }

  /** Volumes that count changes since this snapshot need another one to be incremental to. */
  async #replaceBase(place: SnapshotPlace): Promise<void> {
    const { table, engine, repository } = this.#world;
    for (const record of table.all().filter(({ lineage }) => lineage === place.lineage)) {
      const counted = (await engine.status(record.id).catch(() => undefined))?.baseSnapshotId;
      if (counted === undefined || baseOf(record, counted)?.snapshot !== place.snapshot) continue;
      const gone = await this.#find(place);
      if (!gone) return;
      const baseInstead = await standIn(repository, record, { counted, gone });
      await table.change(record.id, () => ({ baseInstead }));
    }
  }

  async #find(place: SnapshotPlace): Promise<SnapshotInfo | undefined> {
    try {
      return await this.#world.repository.get(place);
    } catch (error) {
      if (isFault(error, repositoryFaults.noSuchSnapshot) || isFault(error, repositoryFaults.noSuchLineage)) return;
      throw error;
    }
  }

  #failedJob(place: SnapshotPlace): VolumeRecord | undefined {
    const isIt = (job: Job): boolean => job.phase === 'failed' && keyOf(job) === keyOf(place);
    return this.#world.table.all().find(({ jobs }) => jobs.some(isIt));
  }

  async #dropJob({ id }: VolumeRecord, place: SnapshotPlace): Promise<void> {
    await this.#world.table.change(id, ({ jobs }) => ({ jobs: jobs.filter((job) => keyOf(job) !== keyOf(place)) }));
  }

  #stored(info: SnapshotInfo): SnapshotView {
    const { lineage, snapshot, volume, sizeBytes, chunkBytes, createdMs, parent, storedBytes, labels, counters } = info;
    const leaving = this.#world.table
      .all()
      .some((one) => one.dropSource && needsSource(one) && keyOf(one.source as SnapshotPlace) === keyOf(info));
    return {
      ...{ lineage, snapshot, volume, sizeBytes, chunkBytes, createdMs, parent, storedBytes },
      kind: labels['kind'] === 'backup' ? 'backup' : 'snapshot',
      status: leaving ? 'deleting' : 'available',
      name: labels['name'] ?? '',
      scan: parent === undefined ? 'full' : 'changed',
      uploadedBytes: counters.uploadedBytes,
    };
  }
}

const exportOf = ({ lineage, snapshot }: SnapshotPlace): string => `${lineage}.${snapshot}`;
