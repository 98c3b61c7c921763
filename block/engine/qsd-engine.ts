/**
 * The volume engine over qemu-storage-daemon: finds the volume of an id and hands the call on. Knows of volumes only what it
 * created or was asked to adopt; the list of volumes is the caller's.
 */
import { assert } from '../../fabric/assert.ts';
import { Fault } from '../../fabric/errors.ts';
import {
  type Attachment,
  type AttachOptions,
  type EngineEvent,
  engineFaults,
  type FillSource,
  type FillStatus,
  type SnapshotHandle,
  type SnapshotOptions,
  type SnapshotStatus,
  type VolumeEngine,
  type VolumeLimits,
  type VolumePlace,
  type VolumeSpec,
  type VolumeStatus,
} from './contract.ts';
import { RUNTIME_DIR_BYTES_MAX, type VolumePaths, volumePaths } from './paths.ts';
import { decodeState, type VolumeState } from './state-format.ts';
import { Volume } from './volume.ts';
import type { EngineWorld } from './volume-context.ts';

const SIZE_UNIT_BYTES = 4096;
/** ext4's largest file with 4 KiB blocks. */
const SIZE_BYTES_MAX = 16 * 2 ** 40 - SIZE_UNIT_BYTES;
const GRANULARITY_BYTES_MIN = 65536;
const GRANULARITY_BYTES_MAX = 4 * 1024 * 1024;
const ID = /^[A-Za-z0-9_-]{1,64}$/;

export interface QsdEngineOptions {
  readonly world: EngineWorld;
  /** For sockets and pid files; at most RUNTIME_DIR_BYTES_MAX bytes long, emptied by a reboot (/run). Made if missing. */
  readonly runtimeDir: string;
  readonly onEvent?: (event: EngineEvent) => void;
}

function checkSpec({ id, sizeBytes, limits, granularityBytes = GRANULARITY_BYTES_MIN }: VolumeSpec): void {
  if (!ID.test(id)) throw new Fault(engineFaults.badRequest, { field: 'id' });
  checkSize(sizeBytes);
  if (limits) checkLimits(limits);
  const power = Math.log2(granularityBytes);
  if (!Number.isInteger(power) || granularityBytes < GRANULARITY_BYTES_MIN || granularityBytes > GRANULARITY_BYTES_MAX)
    throw new Fault(engineFaults.badRequest, { field: 'granularityBytes' });
}

function checkSize(sizeBytes: number): void {
  const fits = Number.isSafeInteger(sizeBytes) && sizeBytes > 0 && sizeBytes <= SIZE_BYTES_MAX;
  if (!fits || sizeBytes % SIZE_UNIT_BYTES !== 0) throw new Fault(engineFaults.badRequest, { field: 'sizeBytes' });
}

/** A total and a part of it cannot both be set: the throttle has one bucket for each. */
function checkLimits(limits: VolumeLimits): void {
  for (const [field, value] of Object.entries(limits))
    if (!Number.isSafeInteger(value) || value < 1) throw new Fault(engineFaults.badRequest, { field });
  const { iopsTotal, iopsRead, iopsWrite, bytesTotal, bytesRead, bytesWrite } = limits;
  if (iopsTotal !== undefined && (iopsRead ?? iopsWrite) !== undefined)
    throw new Fault(engineFaults.badRequest, { field: 'iopsTotal' });
  if (bytesTotal !== undefined && (bytesRead ?? bytesWrite) !== undefined)
    throw new Fault(engineFaults.badRequest, { field: 'bytesTotal' });
}

function firstState(spec: VolumeSpec): VolumeState {
  return {
    id: spec.id,
    sizeBytes: spec.sizeBytes,
    granularityBytes: spec.granularityBytes ?? GRANULARITY_BYTES_MIN,
    phase: 'lazy',
    limits: spec.limits ?? {},
    attachments: [],
    wanted: false,
    serial: 1,
  };
}

class QsdEngine implements VolumeEngine {
  readonly #world: EngineWorld;
  readonly #runtimeDir: string;
  readonly #emit: (event: EngineEvent) => void;
  readonly #volumes = new Map<string, Volume>();

  constructor({ world, runtimeDir, onEvent = () => {} }: QsdEngineOptions) {
    this.#world = world;
    this.#runtimeDir = runtimeDir;
    this.#emit = onEvent;
  }

  #volume(id: string): Volume {
    const found = this.#volumes.get(id);
    if (!found) throw new Fault(engineFaults.noVolume, { id });
    return found;
  }

  #paths({ id, dir }: VolumePlace): VolumePaths {
    return volumePaths(this.#runtimeDir, id, dir);
  }

  #add(place: VolumePlace, state: VolumeState): Volume {
    const added = new Volume({ world: this.#world, paths: this.#paths(place), state, emit: this.#emit });
    this.#volumes.set(state.id, added);
    return added;
  }

  /** The directory is there and no volume in it. */
  async #makePlace(place: VolumePlace): Promise<VolumePaths> {
    if (!ID.test(place.id)) throw new Fault(engineFaults.badRequest, { field: 'id' });
    const paths = this.#paths(place);
    if (this.#volumes.has(place.id) || (await this.#world.files.size(paths.state)))
      throw new Fault(engineFaults.exists, { id: place.id });
    await this.#world.disk.makeDirectory(place.dir);
    await this.#world.files.makePrivate(place.dir);
    return paths;
  }

  async #create(spec: VolumeSpec, change: Partial<VolumeState>): Promise<Volume> {
    const added = this.#add(spec, { ...firstState(spec), ...change });
    try {
      await added.persist();
    } catch (error) {
      this.#volumes.delete(spec.id);
      throw error;
    }
    return added;
  }

  async create(spec: VolumeSpec): Promise<void> {
    checkSpec(spec);
    await this.#makePlace(spec);
    await this.#create(spec, {});
  }

  async adopt(place: VolumePlace): Promise<VolumeStatus> {
    const { id } = place;
    if (!this.#volumes.has(id)) {
      const path = this.#paths(place).state;
      if (!(await this.#world.files.size(path))) throw new Fault(engineFaults.noVolume, { id });
      const state = decodeState(await this.#world.disk.readFile(path));
      if (state.id !== id) throw new Fault(engineFaults.badState, { id }, 'the directory is of another volume');
      await this.#add(place, state).adopt();
    }
    return this.status(id);
  }

  async startFrom(spec: VolumeSpec, source: FillSource): Promise<void> {
    checkSpec(spec);
    const { data } = await this.#makePlace(spec);
    await this.#world.disk.remove(data);
    await this.#world.files.createSparse(data, spec.sizeBytes);
    const added = await this.#create(spec, { phase: 'filling', source });
    try {
      await added.open();
    } catch (error) {
      await this.remove(spec.id);
      throw error;
    }
  }

  async clone(id: string, target: VolumePlace): Promise<void> {
    const source = this.#volume(id);
    const { data } = await this.#makePlace(target);
    await this.#world.disk.remove(data);
    const way = await source.beginClone(target.id, data);
    const { sizeBytes, granularityBytes, limits } = source.state;
    const spec = { ...target, sizeBytes, granularityBytes, limits };
    if (way === 'lazy' || way === 'copied') await this.#create(spec, { phase: way === 'lazy' ? 'lazy' : 'ready' });
    else await this.#cloneFrom(source, spec, way);
  }

  async #cloneFrom(source: Volume, spec: VolumeSpec, from: FillSource): Promise<void> {
    try {
      await this.startFrom(spec, from);
      await this.#volume(spec.id).filled(() => source.checkClone(spec.id));
      await source.verifyClone(spec.id);
      await this.close(spec.id);
    } catch (error) {
      if (this.#volumes.has(spec.id)) await this.remove(spec.id);
      throw error;
    } finally {
      await source.endClone(spec.id);
    }
  }

  async status(id: string): Promise<VolumeStatus> {
    return this.#volume(id).status();
  }

  async attach(id: string, options: AttachOptions): Promise<Attachment> {
    return this.#volume(id).attach(options);
  }

  async detach(id: string, attachmentId: string): Promise<void> {
    await this.#volume(id).detach(attachmentId);
  }

  async close(id: string): Promise<void> {
    await this.#volume(id).close();
  }

  async resize(id: string, sizeBytes: number): Promise<void> {
    checkSize(sizeBytes);
    await this.#volume(id).resize(sizeBytes);
  }

  async setLimits(id: string, limits: VolumeLimits): Promise<void> {
    checkLimits(limits);
    await this.#volume(id).setLimits(limits);
  }

  async remove(id: string): Promise<void> {
    await this.#volume(id).remove();
    this.#volumes.delete(id);
  }

  async beginSnapshot(id: string, options: SnapshotOptions): Promise<SnapshotHandle> {
    if (!ID.test(options.snapshotId)) throw new Fault(engineFaults.badRequest, { field: 'snapshotId' });
    return this.#volume(id).beginSnapshot(options);
  }

  async snapshotStatus(id: string): Promise<SnapshotStatus> {
    return this.#volume(id).snapshotStatus();
  }

  async verifySnapshot(id: string, snapshotId: string): Promise<void> {
    await this.#volume(id).verifySnapshot(snapshotId);
  }

  async endSnapshot(
    id: string,
    options: { readonly snapshotId: string; readonly keep: boolean },
  ): Promise<{ readonly baseKept: boolean }> {
    return this.#volume(id).endSnapshot(options);
  }

  async forgetBase(id: string): Promise<void> {
    await this.#volume(id).forgetBase();
  }

  async setSource(id: string, source: FillSource): Promise<void> {
    await this.#volume(id).setSource(source);
  }

  async fillStatus(id: string): Promise<FillStatus> {
    return this.#volume(id).fillStatus();
  }

  async release(): Promise<void> {
    await Promise.all([...this.#volumes.values()].map((one) => one.release()));
    this.#volumes.clear();
  }
}

export async function createQsdEngine(options: QsdEngineOptions): Promise<VolumeEngine> {
  const { world, runtimeDir } = options;
  assert(Buffer.byteLength(runtimeDir) <= RUNTIME_DIR_BYTES_MAX, 'the runtime directory has a short path');
  await world.files.makePrivateDirectory(runtimeDir);
  return new QsdEngine(options);
}
