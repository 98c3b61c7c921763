/**
 * The records of a host's volumes: in memory, each beside its volume's bytes, changed one step after another. Owns their
 * files and the order of changes; never talks to an engine.
 */
import path from 'node:path';
import { type Disk, diskFaults } from '../../fabric/disk.ts';
import { Fault, isFault } from '../../fabric/errors.ts';
import { volumeFaults } from './contract.ts';
import { decodeVolumeRecord, encodeVolumeRecord, type VolumeRecord } from './record-format.ts';

const RECORD_FILE = 'volume.record';
const MODE_PRIVATE = 0o600;

export interface DamagedRecord {
  readonly id: string;
  readonly error: Fault;
}

export type Changes = { readonly [K in keyof VolumeRecord]?: VolumeRecord[K] | undefined };

export class VolumeTable {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #records = new Map<string, VolumeRecord>();
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #writes = new Map<string, Promise<unknown>>();

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  /** Reads what is there; gives the ones that cannot be used, which stay untouched, and directories that hold nothing. */
  async load(): Promise<{ readonly damaged: readonly DamagedRecord[]; readonly empty: readonly string[] }> {
    await this.#disk.makeDirectory(this.#directory);
    const damaged: DamagedRecord[] = [];
    const empty: string[] = [];
    for (const id of await this.#disk.list(this.#directory)) {
      if (id.startsWith('.')) continue;
      try {
        const bytes = await this.#disk.readFile(path.join(this.#directory, id, RECORD_FILE));
        this.#records.set(id, decodeVolumeRecord(bytes, id));
      } catch (error) {
        if (!isFault(error)) throw error;
        if (error.code !== diskFaults.notFound) damaged.push({ id, error });
        else if (await this.#isEmpty(id)) empty.push(id);
      }
    }
    return { damaged, empty };
  }

  /** Of a volume that was being made, its record half written perhaps, or of one that was being removed. */
  async #isEmpty(id: string): Promise<boolean> {
    const names = await this.#disk.list(this.directoryOf(id));
    return names.every((name) => name === `${RECORD_FILE}.new`);
  }

  /** Of the engine's own files. */
  placeOf(id: string): { id: string; dir: string } {
    return { id, dir: path.join(this.#directory, id, 'disk') };
  }

  directoryOf(id: string): string {
    return path.join(this.#directory, id);
  }

  all(): VolumeRecord[] {
    return [...this.#records.values()];
  }

  find(id: string): VolumeRecord | undefined {
    return this.#records.get(id);
  }

  /** Fault NoSuchVolume. */
  get(id: string): VolumeRecord {
    const record = this.#records.get(id);
    if (!record) throw new Fault(volumeFaults.noSuchVolume, { id }, `there is no volume ${id} here`);
    return record;
  }

  /** A new record; durable when it returns. */
  async add(record: VolumeRecord): Promise<VolumeRecord> {
    await this.#disk.makeDirectory(this.directoryOf(record.id));
    return this.#queued(this.#writes, record.id, () => this.#save(record));
  }

  /** Changes follow each other: each sees the one before. Fields that `update` gives as undefined are taken out. */
  change(id: string, update: (record: VolumeRecord) => Changes): Promise<VolumeRecord> {
    return this.#queued(this.#writes, id, () => {
      const record = this.get(id);
      return this.#save({ ...record, ...update(record) } as VolumeRecord);
    });
  }

  async remove(id: string): Promise<void> {
    await this.#disk.remove(path.join(this.directoryOf(id), RECORD_FILE));
    this.#records.delete(id);
  }

  /** Runs after everything that was asked for this volume before. Not to be nested. */
  inTurn<T>(id: string, work: () => Promise<T>): Promise<T> {
    return this.#queued(this.#turns, id, work);
  }

  async #save(record: VolumeRecord): Promise<VolumeRecord> {
    const file = path.join(this.directoryOf(record.id), RECORD_FILE);
    await this.#disk.replaceFile(file, encodeVolumeRecord(record), MODE_PRIVATE);
    this.#records.set(record.id, record);
    return record;
  }

  async #queued<T>(queues: Map<string, Promise<unknown>>, id: string, work: () => Promise<T>): Promise<T> {
    const before = queues.get(id) ?? Promise.resolve();
    const mine = before.then(work, work);
    queues.set(id, mine);
    try {
      return await mine;
    } finally {
      if (queues.get(id) === mine) queues.delete(id);
    }
  }
}
