/**
 * Backups that Cinder wrote move over: read from their container, laid over each other, uploaded as a backup of our own. Works
 * without any volume. A repeated import of the same id goes on where an earlier one stood. Never changes what it reads.
 */
import { Fault } from '../../fabric/errors.ts';
import { listCinderBackups, openCinderBackup } from '../backup/cinder-source.ts';
import type { ObjectClient, Repository, UploadProgress } from '../repository/contract.ts';
import { CHUNK_BYTES_DEFAULT } from '../repository/contract.ts';
import { busy } from './checks.ts';
import type { FoundBackup, ImportBackup, SnapshotPlace, SnapshotView } from './contract.ts';
import { keyOf } from './snapshot-jobs.ts';

/** Each holds some unpacked objects of 50 MiB. */
const IMPORTS_MAX = 2;
/** Failures that somebody may still want to read about. */
const FAILED_MAX = 100;

export interface ImportsWorld {
  readonly repository: Repository;
  readonly clock: { nowMs(): number };
  /** A container of the object store: of our own account, or of `account` where we may read. */
  readonly openContainer: (container: string, account?: string) => ObjectClient;
  readonly log: { warn(details: object, message: string): void };
}

interface Import {
  view: SnapshotView;
  progress: UploadProgress | undefined;
}

export class Imports {
  readonly #world: ImportsWorld;
  readonly #imports = new Map<string, Import>();

  constructor(world: ImportsWorld) {
    this.#world = world;
  }

  async find({ container, account }: { container: string; account?: string }): Promise<{ backups: FoundBackup[] }> {
    const damaged: string[] = [];
    const found = await listCinderBackups(this.#world.openContainer(container, account), (error) =>
      damaged.push(error.message),
    );
    const backups = found.map(({ id, volume, name, createdAt, parent }) => ({ id, volume, name, createdAt, parent }));
    if (backups.length === 0 && damaged[0] !== undefined) throw new Fault('UnreadableBackup', {}, damaged[0]);
    return { backups };
  }

  /** Answers once the backup and all that it is built on are found; the bytes follow. */
  async begin({ container, account, backup, snapshot, lineage = snapshot }: ImportBackup): Promise<SnapshotView> {
    const place = { lineage, snapshot };
    const known = this.#imports.get(keyOf(place));
    if (known && known.view.status === 'creating') return this.#shown(known);
    if ([...this.#imports.values()].filter(({ view }) => view.status === 'creating').length >= IMPORTS_MAX) {
      throw busy(`${IMPORTS_MAX} backups are being imported: wait for one of them`);
    }
    const source = await openCinderBackup(this.#world.openContainer(container, account), backup);
    const { sizeBytes } = source;
    const { name, volume } = source.backup;
    const view: SnapshotView = {
      ...{ ...place, volume, name, sizeBytes, kind: 'backup', status: 'creating', scan: 'full' },
      ...{ chunkBytes: CHUNK_BYTES_DEFAULT, createdMs: this.#world.clock.nowMs(), uploadedBytes: 0, storedBytes: 0 },
    };
    const one: Import = { view, progress: undefined };
    this.#imports.set(keyOf(place), one);
    this.#upload(one, source).catch((error: Error) => {
      this.#world.log.warn({ err: error, ...place, container, backup }, 'an import failed');
      one.view = { ...one.view, status: 'error', error: error.message };
      this.#trim();
    });
    return view;
  }

  /** Of what is being imported, or failed to be. */
  views(): SnapshotView[] {
    return [...this.#imports.values()].map((one) => this.#shown(one));
  }

  /** True when there was one to forget. */
  forgetFailed(place: SnapshotPlace): boolean {
    const isFailed = this.#imports.get(keyOf(place))?.view.status === 'error';
    return isFailed && this.#imports.delete(keyOf(place));
  }

  async #upload(one: Import, source: Awaited<ReturnType<typeof openCinderBackup>>): Promise<void> {
    const { lineage, snapshot, volume, name, sizeBytes, chunkBytes } = one.view;
    try {
      const session = await this.#world.repository.beginUpload({
        ...{ lineage, snapshot, volume, sizeBytes, chunkBytes, changed: 'all', source },
        labels: { name, kind: 'backup', importedFrom: source.backup.prefix },
        onProgress: (progress) => {
          one.progress = progress;
        },
      });
      await session.run();
      this.#imports.delete(keyOf(one.view));
    } finally {
      await source.close();
    }
  }

  #shown({ view, progress }: Import): SnapshotView {
    if (!progress) return view;
    const { doneBytes, totalBytes, counters } = progress;
    return { ...view, uploadedBytes: counters.uploadedBytes, progress: { doneBytes, totalBytes, paused: false } };
  }

  #trim(): void {
    for (const [key, { view }] of this.#imports) {
      if (this.#imports.size <= FAILED_MAX) return;
      if (view.status === 'error') this.#imports.delete(key);
    }
  }
}
