/**
 * The volumes of one host: what `block/volumes/contract.ts` offers. Decides in which order the engine, the repository and the
 * records change, such that whatever dies in between, the next start finds out what was meant and does it. Bytes never pass
 * through here.
 */

import { Fault, isFault } from '../../fabric/errors.ts';
import {
  type EngineEvent,
  type VolumeStatus as EngineStatus,
  engineFaults,
  FILL_STATES,
  VOLUME_PHASES,
} from '../engine/contract.ts';
import type { Files } from '../host/files.ts';
import { CHUNK_BYTES_DEFAULT } from '../repository/contract.ts';
import { bad, busy, checkId, checkName, checkNew, checkSize } from './checks.ts';
import {
  ATTACHMENTS_MAX,
  type Attachment,
  type AttachVolume,
  type CreateVolume,
  type HostStatus,
  type SnapshotPlace,
  type SnapshotView,
  type TakeSnapshot,
  type VolumeLimits,
  type VolumeView,
  volumeFaults,
} from './contract.ts';
import type { Imports } from './imports.ts';
import { type Job, needsSource, type VolumeRecord } from './record-format.ts';
import { keyOf, SnapshotJobs } from './snapshot-jobs.ts';
import { Snapshots, type SnapshotsWorld } from './snapshots.ts';

export interface ManagerWorld extends SnapshotsWorld {
  readonly host: string;
  readonly files: Files;
  /** Why no volume can be served here; undefined when they can. */
  readonly unfit: () => string | undefined;
}

export class VolumeManager {
  readonly #world: ManagerWorld;
  readonly #jobs: SnapshotJobs;
  readonly snapshots: Snapshots;
  readonly imports: Imports;
  /** Copies between two volumes of this host that are being made. */
  readonly #copies = new Map<string, Promise<void>>();

  constructor(world: ManagerWorld) {
    this.#world = world;
    this.#jobs = new SnapshotJobs(world);
    this.snapshots = new Snapshots(world, this.#jobs);
    this.imports = world.imports;
  }

  /** Finishes or undoes what an earlier process left; one volume that cannot be used keeps no other from working. */
  async start(): Promise<void> {
    const { table, exports, files, log } = this.#world;
    const { damaged, empty } = await table.load();
    for (const { id, error } of damaged) log.error({ err: error, volume: id }, 'a volume cannot be used');
    for (const id of empty) await files.removeTree(table.directoryOf(id));
    for (const record of table.all()) if (needsSource(record)) this.#serve(record);
    await exports.start();
    for (const record of table.all()) {
      try {
        await this.#recover(record);
      } catch (error) {
        log.error({ err: error, volume: record.id }, 'a volume could not be taken over');
        await this.#failed(record.id, error as Error);
      }
    }
  }

  /** Volumes go on being served; the next process takes them over. */
  async stop(): Promise<void> {
    await this.#jobs.release();
    // A copy ends with its engine: one of a terabyte would take hours.
    await this.#world.engine.release();
    await Promise.allSettled(this.#copies.values());
    await this.#world.exports.stop();
  }

  /** To be told of everything the engine notices by itself. */
  engineEvent(event: EngineEvent): void {
    const { log } = this.#world;
    if (event.type !== 'fill-done') log.warn({ ...event }, 'volume engine');
    const work = this.#follow(event);
    work?.catch((error: unknown) =>
      log.error({ err: error, volume: event.id }, 'a volume could not follow its engine'),
    );
  }

  async createVolume(asked: CreateVolume): Promise<VolumeView> {
    const { table } = this.#world;
    this.#needFit();
    checkNew(asked);
    return table.inTurn(asked.id, async () => {
      const known = table.find(asked.id);
      if (known) return this.#view(known);
      const record = await table.add(await this.#design(asked));
      try {
        await this.#make(record);
      } catch (error) {
        await this.#orFailed(record.id, () => this.#remove(record));
        throw error;
      }
      return this.#view(table.get(record.id));
    });
  }

  async volumes(): Promise<{ volumes: VolumeView[] }> {
    return { volumes: await Promise.all(this.#world.table.all().map((record) => this.#view(record))) };
  }

  async volume(id: string): Promise<VolumeView> {
    return this.#view(this.#world.table.get(id));
  }

  async renameVolume(id: string, name: string): Promise<VolumeView> {
    checkName(name);
    return this.#view(await this.#world.table.change(id, () => ({ name })));
  }

  /** The base goes first: what is counted since it belongs to the old lineage. */
  async moveVolume(id: string, lineage: string): Promise<VolumeView> {
    checkId(lineage, 'lineage');
    const { table, engine } = this.#world;
    return table.inTurn(id, async () => {
      const record = this.#ready(id);
      if (record.lineage === lineage) return this.#view(record);
      const job = record.jobs.find(({ phase }) => phase !== 'failed');
      if (job) throw busy(`snapshot ${job.snapshot} of volume ${id} is being taken`);
      await engine.forgetBase(id);
      return this.#view(await table.change(id, () => ({ lineage, baseInstead: undefined })));
    });
  }

  async deleteVolume(id: string, force: boolean): Promise<void> {
    const { table } = this.#world;
    await table.inTurn(id, async () => {
      const record = table.find(id);
      if (!record) return;
      if (!force) await this.#needIdle(record);
      const leaving = await table.change(id, () => ({ phase: 'deleting', error: undefined }));
      await this.#orFailed(id, () => this.#remove(leaving));
    });
  }

  async extendVolume(id: string, sizeBytes: number): Promise<VolumeView> {
    checkSize(sizeBytes);
    const { table, engine } = this.#world;
    return table.inTurn(id, async () => {
      const record = this.#ready(id);
      if (sizeBytes < record.sizeBytes)
        throw bad(`volume ${id} has ${record.sizeBytes} bytes: it cannot become smaller`);
      if (sizeBytes > record.sizeBytes) await told(id, () => engine.resize(id, sizeBytes));
      return this.#view(await table.change(id, () => ({ sizeBytes })));
    });
  }

  async limitVolume(id: string, limits: VolumeLimits): Promise<VolumeView> {
    this.#ready(id);
    await this.#world.engine.setLimits(id, limits);
    return this.volume(id);
  }

  async attachVolume({ id, attachment, transport, readOnly = false }: AttachVolume): Promise<Attachment> {
    checkId(attachment, 'attachment');
    this.#needFit();
    const { table, engine } = this.#world;
    return table.inTurn(id, async () => {
      this.#ready(id);
      const { attachments } = await engine.status(id);
      const isNew = !attachments.some((one) => one.attachmentId === attachment);
      if (isNew && attachments.length >= ATTACHMENTS_MAX) throw busy(`volume ${id} has ${ATTACHMENTS_MAX} attachments`);
      return engine.attach(id, { attachmentId: attachment, transport, readOnly });
    });
  }

  async detachVolume(id: string, attachment: string): Promise<void> {
    const { table, engine } = this.#world;
    await table.inTurn(id, async () => {
      table.get(id);
      await engine.detach(id, attachment);
      const { attachments, snapshot, phase } = await engine.status(id);
      // A volume nobody uses needs no process.
      if (attachments.length === 0 && snapshot.state === 'none' && phase === VOLUME_PHASES.ready)
        await engine.close(id);
    });
  }

  async revertVolume(id: string, place: SnapshotPlace): Promise<VolumeView> {
    const { table, repository } = this.#world;
    const info = await repository.get(place);
    return table.inTurn(id, async () => {
      const record = table.get(id);
      // What failed, its old bytes lost perhaps, can be had again from a snapshot.
      if (record.phase !== 'failed') this.#ready(id);
      if (record.dropSource && record.source && keyOf(record.source) === keyOf(place))
        throw busy(`snapshot ${place.snapshot} is being deleted`);
      await this.#needIdle(record);
      if (info.sizeBytes > record.sizeBytes) throw bad(`snapshot ${place.snapshot} is larger than volume ${id}`);
      const source = { lineage: place.lineage, snapshot: place.snapshot };
      const limits = (await this.#engineStatus(id))?.limits;
      const gone = { copyOf: undefined, baseInstead: undefined, dropSource: undefined, error: undefined } as const;
      const changed = { phase: 'reverting', source, filled: false, ...gone, limits } as const;
      const reverting = await table.change(id, () => changed);
      await this.#orFailed(id, () => this.#revert(reverting));
      // What it was being filled from before may have waited to be deleted.
      if (needsSource(record)) await this.snapshots.sourceDone(record);
      return this.#view(table.get(id));
    });
  }

  async takeSnapshot(asked: TakeSnapshot): Promise<SnapshotView> {
    checkId(asked.snapshot, 'snapshot');
    checkName(asked.name ?? '');
    this.#needFit();
    const { table } = this.#world;
    return table.inTurn(asked.volume, () =>
      told(asked.volume, () => this.snapshots.take(this.#ready(asked.volume), asked)),
    );
  }

  async hostStatus(): Promise<HostStatus> {
    const { table, host, engine, space, unfit } = this.#world;
    const records = table.all();
    const statuses = await Promise.all(records.map(({ id }) => engine.status(id).catch(() => undefined)));
    const { freeBytes, totalBytes } = await space();
    return {
      ...{ host, freeBytes, totalBytes },
      provisionedBytes: records.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      volumes: records.length,
      attached: statuses.filter((status) => (status?.attachments.length ?? 0) > 0).length,
      snapshotsRunning: this.#jobs.count,
      unfit: unfit(),
    };
  }

  // What a volume is made of.

  async #design(asked: CreateVolume): Promise<VolumeRecord> {
    const { repository, clock } = this.#world;
    const { id, name = '', sizeBytes, source, limits } = asked;
    const first = { id, name, sizeBytes, createdMs: clock.nowMs(), phase: 'making', jobs: [] } as const;
    const base = { ...first, ...(limits && { limits }) };
    if (source === undefined) {
      return {
        ...base,
        chunkBytes: asked.chunkBytes ?? CHUNK_BYTES_DEFAULT,
        lineage: asked.lineage ?? id,
        filled: true,
      };
    }
    if ('volume' in source) {
      const from = this.#ready(source.volume);
      if (from.sizeBytes > sizeBytes)
        throw bad(`volume ${from.id} has ${from.sizeBytes} bytes: its copy needs as many`);
      const { chunkBytes } = from;
      const lineage = asked.lineage ?? from.lineage;
      return { ...base, chunkBytes: asked.chunkBytes ?? chunkBytes, lineage, filled: true, copyOf: source.volume };
    }
    const { lineage, snapshot } = source.snapshot;
    const info = await repository.get({ lineage, snapshot });
    if (info.sizeBytes > sizeBytes)
      throw bad(`snapshot ${snapshot} has ${info.sizeBytes} bytes: the volume needs as many`);
    return {
      ...{ ...base, chunkBytes: asked.chunkBytes ?? info.chunkBytes, lineage: asked.lineage ?? lineage },
      ...{ source: { lineage, snapshot }, filled: false },
    };
  }

  async #make(record: VolumeRecord): Promise<void> {
    const { table, engine, exports } = this.#world;
    const { id, sizeBytes, limits } = record;
    const spec = { ...table.placeOf(id), sizeBytes, ...(limits && { limits }) };
    if (record.copyOf !== undefined) return this.#copy(record);
    if (record.source) {
      // The snapshot is looked up while the daemon starts, which asks for it last.
      const opened = exports.add(fillOf(record), record.source, sizeBytes);
      const started = engine.startFrom(spec, { endpoint: exports.endpoint, exportName: fillOf(record) });
      for (const result of await Promise.allSettled([opened, started]))
        if (result.status === 'rejected') throw result.reason;
    } else await engine.create(spec);
    await table.change(id, () => ({ phase: 'ready', limits: undefined }));
  }

  /** Goes on behind the answer: a copy takes as long as its bytes do. */
  #copy(record: VolumeRecord): void {
    const { table, engine, log } = this.#world;
    const { id, limits } = record;
    const work = async (): Promise<void> => {
      try {
        await engine.clone(record.copyOf as string, table.placeOf(id));
        const { sizeBytes } = await engine.status(id);
        if (sizeBytes < record.sizeBytes) await engine.resize(id, record.sizeBytes);
        if (limits) await engine.setLimits(id, limits);
        await table.change(id, () => ({ phase: 'ready', limits: undefined }));
      } catch (error) {
        log.warn({ err: error, volume: id }, 'a copy of a volume failed');
        if (table.find(id)) await this.#failed(id, error as Error);
      } finally {
        this.#copies.delete(id);
      }
    };
    this.#copies.set(
      id,
      work().catch((error: unknown) => log.error({ err: error, volume: id }, 'a copy is lost')),
    );
  }

  async #revert(record: VolumeRecord): Promise<void> {
    const { engine, exports } = this.#world;
    if (await this.#engineStatus(record.id)) await engine.remove(record.id);
    // It may still serve what the volume was being filled from.
    await exports.remove(fillOf(record));
    await this.#make(record);
  }

  /** Nothing is left half-way: what cannot be done leaves the volume in error, to be deleted or tried again. */
  async #orFailed(id: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (this.#world.table.find(id)) await this.#failed(id, error as Error);
      throw error;
    }
  }

  async #failed(id: string, { message }: Error): Promise<void> {
    await this.#world.table.change(id, () => ({ phase: 'failed', error: message }));
  }

  async #remove(record: VolumeRecord): Promise<void> {
    const { table, engine, exports, files } = this.#world;
    await this.#copies.get(record.id);
    for (const job of record.jobs) if (job.phase !== 'failed') await this.#cancelQuietly(job);
    const status = await this.#engineStatus(record.id);
    for (const { attachmentId } of status?.attachments ?? []) await engine.detach(record.id, attachmentId);
    if (status) await engine.remove(record.id);
    await this.snapshots.sourceDone(record);
    await files.removeTree(table.placeOf(record.id).dir);
    await table.remove(record.id);
    await files.removeTree(table.directoryOf(record.id));
    await exports.remove(fillOf(record));
  }

  async #cancelQuietly(job: Job): Promise<void> {
    try {
      await this.#jobs.cancel(job);
    } catch (error) {
      if (!isFault(error)) throw error;
    }
  }

  // After a restart.

  async #recover(record: VolumeRecord): Promise<void> {
    const { table, engine } = this.#world;
    const adopted = await this.#adopt(record);
    if (record.phase === 'deleting') return this.#remove(record);
    if (record.phase === 'failed') return;
    if (record.phase === 'reverting') return this.#revert(record);
    if (record.phase === 'making') {
      if (record.copyOf !== undefined) throw new Fault(volumeFaults.broken, {}, 'the copy was interrupted');
      if (!adopted) return this.#make(record);
      await table.change(record.id, () => ({ phase: 'ready', limits: undefined }));
    }
    if (!adopted) throw new Fault(volumeFaults.broken, {}, 'its files are gone');
    if (adopted.sizeBytes > record.sizeBytes) await table.change(record.id, () => ({ sizeBytes: adopted.sizeBytes }));
    if (!record.filled && (await engine.fillStatus(record.id)).state !== FILL_STATES.filling)
      await this.#filled(record.id);
    else if (record.filled && record.dropSource) await this.#dropSource(record);
    for (const job of record.jobs) if (job.phase !== 'failed') await this.#jobs.resume(record.id, job);
  }

  async #adopt(record: VolumeRecord): Promise<EngineStatus | undefined> {
    try {
      return await this.#world.engine.adopt(this.#world.table.placeOf(record.id));
    } catch (error) {
      if (isFault(error, engineFaults.noVolume)) return undefined;
      throw error;
    }
  }

  #follow(event: EngineEvent): Promise<void> | undefined {
    if (event.type === 'fill-done') return this.#filled(event.id);
    if (event.type === 'snapshot-failed') {
      const reason = event.failure === engineFaults.snapshotSpace ? 'space for it ran low' : "the volume's daemon died";
      return this.#jobs.lost(event.id, event.snapshotId, `the moment of the snapshot is lost: ${reason}`);
    }
    return undefined;
  }

  /** The volume stands on its own. */
  async #filled(id: string): Promise<void> {
    const { table } = this.#world;
    const before = table.find(id);
    if (!before || before.filled) return;
    await table.change(id, () => ({ filled: true }));
    await this.#world.exports.remove(fillOf(before));
    if (before.dropSource) await this.#dropSource(before);
  }

  async #dropSource(record: VolumeRecord): Promise<void> {
    await this.snapshots.sourceDone(record);
    await this.#world.table.change(record.id, () => ({ dropSource: undefined }));
  }

  #serve(record: VolumeRecord): void {
    this.#world.exports.addLater(fillOf(record), record.source as SnapshotPlace, record.sizeBytes);
  }

  // Looking and refusing.

  async #engineStatus(id: string): Promise<EngineStatus | undefined> {
    try {
      return await this.#world.engine.status(id);
    } catch (error) {
      if (isFault(error, engineFaults.noVolume)) return undefined;
      throw error;
    }
  }

  async #view(record: VolumeRecord): Promise<VolumeView> {
    const { id, name, chunkBytes, lineage, createdMs, phase, source } = record;
    const status = phase === 'failed' ? undefined : await this.#engineStatus(id);
    const attachments = status?.attachments ?? [];
    const isFilling = status?.fill.state === FILL_STATES.filling;
    return {
      ...{ id, name, chunkBytes, lineage, createdMs, source, attachments },
      status: statusOf(phase, attachments.length),
      sizeBytes: record.sizeBytes,
      allocatedBytes: status?.allocatedBytes ?? 0,
      limits: status?.limits ?? {},
      fill: isFilling ? { doneBytes: status.fill.doneBytes, totalBytes: status.fill.totalBytes } : undefined,
      jobs: record.jobs.map((job) => this.#jobs.view(record, job)),
      error: record.error ?? status?.lastError,
    };
  }

  #ready(id: string): VolumeRecord {
    const record = this.#world.table.get(id);
    if (record.phase === 'ready') return record;
    if (record.phase === 'failed')
      throw new Fault(volumeFaults.broken, { id }, `volume ${id} is in error: ${record.error}`);
    throw busy(`volume ${id} is ${record.phase === 'making' ? 'being made' : `still ${record.phase}`}`);
  }

  async #needIdle({ id, jobs }: VolumeRecord): Promise<void> {
    const job = jobs.find((one) => one.phase !== 'failed');
    if (job) throw busy(`snapshot ${job.snapshot} of volume ${id} is being taken`);
    if (this.#copies.has(id)) throw busy(`volume ${id} is being made`);
    if ([...this.#copies.keys()].some((copy) => this.#world.table.find(copy)?.copyOf === id)) {
      throw busy(`volume ${id} is being copied`);
    }
    const count = (await this.#engineStatus(id))?.attachments.length ?? 0;
    if (count > 0) throw busy(`volume ${id} has ${count === 1 ? 'an attachment' : `${count} attachments`}`);
  }

  #needFit(): void {
    const reason = this.#world.unfit();
    if (reason !== undefined) throw new Fault(volumeFaults.unfit, { host: this.#world.host }, reason);
  }
}

/** What the engine refuses for a time, in words. */
async function told<T>(id: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isFault(error, engineFaults.filling)) throw busy(`volume ${id} is still being filled`);
    if (isFault(error, engineFaults.snapshotOpen)) throw busy(`a snapshot or a copy of volume ${id} is being taken`);
    if (isFault(error, engineFaults.noSpace))
      throw new Fault(engineFaults.noSpace, { id }, `there is no space on the disk for what volume ${id} needs`);
    throw error;
  }
}

const fillOf = ({ id }: { id: string }): string => `fill-${id}`;

function statusOf(phase: VolumeRecord['phase'], attachments: number): VolumeView['status'] {
  if (phase === 'failed') return 'error';
  if (phase === 'deleting') return 'deleting';
  if (phase === 'making' || phase === 'reverting') return 'creating';
  return attachments > 0 ? 'in-use' : 'available';
}
