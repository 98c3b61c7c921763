/**
 * A host's volume agent as controllers see it, in memory: calls of block/volumes/contract.ts with the real ones' rules of ids and
 * states, contents that are one text each, and one object store that several hosts share. Long work ends one look later.
 */

import type { SnapshotPlace, SnapshotView, VolumeCalls, VolumeLimits, VolumeView } from '../block/volumes/contract.ts';
import { volumeFaults } from '../block/volumes/contract.ts';
import { Fault } from '../fabric/errors.ts';
import type { Handlers } from '../fabric/rpc/contract.ts';

interface FakeVolume {
  readonly id: string;
  sizeBytes: number;
  lineage: string;
  content: string;
  limits: VolumeLimits;
  status: 'creating' | 'available' | 'error';
  /** Looks until it is made or filled. */
  busyLooks: number;
  source: SnapshotPlace | undefined;
  readonly attachments: Map<string, { readonly readOnly: boolean; readonly transport: string }>;
}

interface FakeSnapshot extends SnapshotPlace {
  readonly volume: string;
  readonly kind: 'snapshot' | 'backup';
  readonly sizeBytes: number;
  readonly content: string;
  status: 'creating' | 'available' | 'error';
  busyLooks: number;
}

/** Of all hosts of a test. */
export class FakeObjectStore {
  readonly snapshots = new Map<string, FakeSnapshot>();
}

const key = ({ lineage, snapshot }: SnapshotPlace): string => `${lineage}/${snapshot}`;

type Calls = { readonly [M in keyof VolumeCalls]?: (args: VolumeCalls[M]['args']) => VolumeCalls[M]['reply'] };

export class FakeVolumeAgent {
  readonly host: string;
  readonly volumes = new Map<string, FakeVolume>();
  readonly calls: string[] = [];
  /** Throws instead of the answer, by method. */
  readonly failures = new Map<string, Fault>();
  readonly #store: FakeObjectStore;
  totalBytes = 100 * 2 ** 30;

  constructor(host: string, store: FakeObjectStore) {
    this.host = host;
    this.#store = store;
  }

  get handlers(): Handlers {
    const handlers: Record<string, Handlers[string]> = {};
    for (const [name, call] of Object.entries(this.#calls())) {
      handlers[name] = async (args: never) => {
        this.calls.push(name);
        const failure = this.failures.get(name);
        if (failure) throw failure;
        return { value: (call as (args: never) => unknown)(args) ?? {} };
      };
    }
    return handlers;
  }

  #calls(): Calls {
    return {
      createVolume: (asked) => this.#create(asked),
      volume: ({ id }) => {
        const volume = this.#get(id);
        if (volume.busyLooks > 0 && --volume.busyLooks === 0 && volume.status === 'creating')
          volume.status = 'available';
        return this.#view(volume);
      },
      volumes: () => ({ volumes: [...this.volumes.values()].map((one) => this.#view(one)) }),
      moveVolume: ({ id, lineage }) => {
        const volume = this.#get(id);
        volume.lineage = lineage;
        return this.#view(volume);
      },
      deleteVolume: ({ id, force = false }) => {
        const volume = this.volumes.get(id);
        if (volume && !force && volume.attachments.size > 0)
          throw new Fault(volumeFaults.busy, {}, `volume ${id} is attached`);
        this.volumes.delete(id);
        return {};
      },
      extendVolume: ({ id, sizeBytes }) => {
        const volume = this.#get(id);
        if (sizeBytes < volume.sizeBytes) throw new Fault(volumeFaults.badRequest, {}, 'smaller');
        volume.sizeBytes = sizeBytes;
        return this.#view(volume);
      },
      limitVolume: ({ id, limits }) => {
        const volume = this.#get(id);
        volume.limits = limits;
        return this.#view(volume);
      },
      attachVolume: ({ id, attachment, transport, readOnly = false }) => {
        const volume = this.#get(id);
        volume.attachments.set(attachment, { readOnly, transport });
        const uri =
          transport === 'unix'
            ? `nbd+unix:///${attachment}?socket=/run/x`
            : `nbds://${attachment}@127.0.0.1:10809/${attachment}`;
        const secret = transport === 'tcp' ? { secretHex: 'ab'.repeat(32) } : {};
        return { attachmentId: attachment, transport, readOnly, uri, sizeBytes: volume.sizeBytes, ...secret };
      },
      detachVolume: ({ id, attachment }) => {
        this.#get(id).attachments.delete(attachment);
        return {};
      },
      revertVolume: ({ id, snapshot }) => {
        const volume = this.#get(id);
        if (volume.attachments.size > 0) throw new Fault(volumeFaults.busy, {}, 'attached');
        volume.content = this.#stored(snapshot).content;
        volume.source = snapshot;
        return this.#view(volume);
      },
      takeSnapshot: (asked) => this.#take(asked),
      snapshot: (place) => {
        const found = this.#stored(place, true);
        if (found.busyLooks > 0 && --found.busyLooks === 0) found.status = 'available';
        return this.#snapshotView(found);
      },
      cancelSnapshot: (place) => {
        this.#store.snapshots.delete(key(place));
        return {};
      },
      deleteSnapshot: (place) => {
        const found = this.#store.snapshots.get(key(place));
        if (found?.status === 'creating') throw new Fault(volumeFaults.busy, {}, 'still being taken');
        this.#store.snapshots.delete(key(place));
        return {};
      },
      hostStatus: () => ({
        ...{ host: this.host, freeBytes: this.totalBytes, totalBytes: this.totalBytes, volumes: this.volumes.size },
        ...{ provisionedBytes: 0, attached: 0, snapshotsRunning: 0 },
      }),
    };
  }

  #create({ id, sizeBytes, lineage = id, source, limits = {} }: VolumeCalls['createVolume']['args']): VolumeView {
    const known = this.volumes.get(id);
    if (known) return this.#view(known);
    const isCopy = source !== undefined && 'volume' in source;
    const content =
      source === undefined ? '' : isCopy ? this.#get(source.volume).content : this.#stored(source.snapshot).content;
    const made: FakeVolume = {
      ...{
        id,
        sizeBytes,
        lineage,
        content,
        limits,
        attachments: new Map(),
        source: source && !isCopy ? source.snapshot : undefined,
      },
      ...{ status: isCopy ? 'creating' : 'available', busyLooks: source === undefined ? 0 : 2 },
    };
    this.volumes.set(id, made);
    return this.#view(made);
  }

  #take({ volume: id, snapshot, kind = 'snapshot', alone = false }: VolumeCalls['takeSnapshot']['args']): SnapshotView {
    const volume = this.#get(id);
    const lineage = alone ? snapshot : volume.lineage;
    const known = this.#store.snapshots.get(key({ lineage, snapshot }));
    if (known) return this.#snapshotView(known);
    const made: FakeSnapshot = {
      ...{ lineage, snapshot, volume: id, kind, sizeBytes: volume.sizeBytes, content: volume.content },
      ...{ status: 'creating', busyLooks: 2 },
    };
    this.#store.snapshots.set(key(made), made);
    return this.#snapshotView(made);
  }

  #get(id: string): FakeVolume {
    const volume = this.volumes.get(id);
    if (volume) return volume;
    throw new Fault(volumeFaults.noSuchVolume, { id }, `there is no volume ${id}`);
  }

  #stored(place: SnapshotPlace, any = false): FakeSnapshot {
    const found = this.#store.snapshots.get(key(place));
    if (found && (any || found.status === 'available')) return found;
    throw new Fault(volumeFaults.noSuchSnapshot, { ...place }, `there is no snapshot ${place.snapshot}`);
  }

  #view({ id, sizeBytes, lineage, limits, status, busyLooks, source, attachments }: FakeVolume): VolumeView {
    const fill = busyLooks > 0 && source ? { fill: { doneBytes: 0, totalBytes: sizeBytes } } : {};
    const attached = [...attachments].map(([attachmentId, one]) => ({
      ...{ attachmentId, transport: one.transport as 'unix', readOnly: one.readOnly, uri: '', sizeBytes },
    }));
    return {
      ...{
        id,
        name: '',
        status: status === 'available' && attached.length > 0 ? 'in-use' : status,
        sizeBytes,
        lineage,
      },
      ...{
        chunkBytes: 65_536,
        createdMs: 0,
        allocatedBytes: 0,
        attachments: attached,
        limits,
        source,
        jobs: [],
        ...fill,
      },
    };
  }

  #snapshotView({ lineage, snapshot, volume, kind, status, sizeBytes }: FakeSnapshot): SnapshotView {
    return {
      ...{ lineage, snapshot, volume, kind, status, sizeBytes, name: '', chunkBytes: 65_536, createdMs: 0 },
      ...{ scan: 'full', uploadedBytes: 0, storedBytes: 0 },
    };
  }
}
