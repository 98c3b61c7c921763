/**
 * A disk that forgets. Bytes written and bytes durable are kept apart; a crash decides, by the seed, for every write that
 * was not synced whether it is there, gone or torn. What is durable by the contract of fabric/disk.ts (names created,
 * replaced and removed once their promise resolved) stays. A datasync that fails drops what it should have made durable
 * and never makes it durable later, as Linux does.
 */
import { type Disk, DiskFault, type DiskFile, diskFaults } from '../../fabric/disk.ts';
import type { Chance } from './chance.ts';
import { FileNode } from './file-node.ts';
import type { Life } from './life.ts';

export interface SimDiskOptions {
  readonly chance: Chance;
  /** Runs something later: the scheduler's `after`, or anything that keeps order of time. */
  readonly after: (delayMs: number, run: () => void) => void;
  readonly capacityBytes?: number;
  /** Planted: datasync answers and does nothing. */
  readonly ignoresDatasync?: boolean;
  /** Something no program may do to a disk. */
  readonly onBug?: (error: Error) => void;
  readonly trace?: ((what: string, text: string) => void) | undefined;
}

export class SimDisk {
  readonly #options: SimDiskOptions;
  readonly #files: Map<string, FileNode>;
  readonly #directories: Set<string>;
  /** Changes of names under way: each is done or not when the power fails. */
  readonly #unfinished = new Set<() => void>();
  /** Share of datasyncs that fail. */
  syncFailureShare = 0;
  capacityBytes: number;
  slowness = 1;

  constructor(
    options: SimDiskOptions,
    files: Map<string, FileNode> = new Map(),
    directories: Set<string> = new Set(['/']),
  ) {
    this.#options = options;
    this.#files = files;
    this.#directories = directories;
    this.capacityBytes = options.capacityBytes ?? 2 ** 40;
  }

  /** The disk as one process sees it; falls silent with it. */
  view(life: Life): Disk {
    const later = <T>(low: number, high: number, run: () => T): Promise<T> => this.#later(life, [low, high], run);
    return {
      open: (path, mode) => later(0.02, 0.3, () => this.#open(life, path, mode)),
      readFile: (path) => later(0.02, 0.3, () => this.#node(path).current.copy()),
      replaceFile: (path, contents) =>
        this.#change(life, () => {
          this.#files.set(path, FileNode.of(contents));
        }),
      list: (directory) => later(0.02, 0.3, () => this.#list(directory)),
      makeDirectory: (directory) => this.#change(life, () => this.#makeDirectory(directory)),
      remove: (path) => this.#change(life, () => void this.#files.delete(path)),
      space: () => later(0.02, 0.3, () => ({ freeBytes: this.#freeBytes(), totalBytes: this.capacityBytes })),
    };
  }

  /** The power fails: names under way are done or not, unsynced bytes are kept, lost or torn. */
  crash(): void {
    const { chance, trace } = this.#options;
    for (const finish of this.#unfinished) if (chance.often(0.5)) finish();
    this.#unfinished.clear();
    for (const [path, node] of this.#files) {
      const fate = node.crash(chance);
      if (fate) trace?.('lost', `${path} ${fate}`);
    }
  }

  /** What would be found if everything unsynced were lost now: for looking, without touching the original. */
  durableClone(options: SimDiskOptions): SimDisk {
    const files = new Map([...this.#files].map(([path, node]) => [path, node.durableClone()]));
    return new SimDisk(options, files, new Set(this.#directories));
  }

  get usedBytes(): number {
    let used = 0;
    for (const node of this.#files.values()) used += node.current.size;
    return used;
  }

  get fileCount(): number {
    return this.#files.size;
  }

  /** Flips one bit of a file, as rot does. */
  rot(path: string, offset: number): void {
    this.#node(path).rot(offset);
  }

  paths(): readonly string[] {
    return [...this.#files.keys()].sort();
  }

  #freeBytes(): number {
    return Math.max(0, this.capacityBytes - this.usedBytes);
  }

  #later<T>(life: Life, [low, high]: readonly [number, number], run: () => T): Promise<T> {
    const { after, chance } = this.#options;
    return new Promise((resolve, reject) => {
      after(chance.delayMs(low, high) * this.slowness, () => {
        if (!life.alive) return;
        try {
          resolve(run());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #change(life: Life, run: () => void): Promise<void> {
    this.#unfinished.add(run);
    return this.#later(life, [0.1, 5], () => {
      this.#unfinished.delete(run);
      run();
    });
  }

  #node(path: string): FileNode {
    const node = this.#files.get(path);
    if (!node) throw new DiskFault(diskFaults.notFound, path, `${path}: no such file`);
    return node;
  }

  #list(directory: string): string[] {
    const prefix = directory.endsWith('/') ? directory : `${directory}/`;
    const names = [...this.#files.keys(), ...this.#directories].filter((path) => path.startsWith(prefix));
    const own = new Set(names.map((path) => path.slice(prefix.length).split('/')[0] as string).filter(Boolean));
    return [...own].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  }

  #makeDirectory(directory: string): void {
    for (let at = directory; at !== '/' && at !== ''; at = parent(at)) this.#directories.add(at);
  }

  #open(life: Life, path: string, mode: 'read' | 'write' | 'create'): DiskFile {
    if (mode !== 'create') return this.#handle(life, path, this.#node(path), mode);
    if (this.#files.has(path)) throw new DiskFault(diskFaults.exists, path, `${path}: exists`);
    if (!this.#directories.has(parent(path))) throw new DiskFault(diskFaults.notFound, path, `${path}: no directory`);
    const node = new FileNode();
    this.#files.set(path, node);
    return this.#handle(life, path, node, mode);
  }

  #handle(life: Life, path: string, node: FileNode, mode: string): DiskFile {
    const options = this.#options;
    let closed = false;
    const check = (writing: boolean): void => {
      if (closed) throw new DiskFault(diskFaults.other, path, `${path}: is closed`);
      if (writing && mode === 'read') throw new DiskFault(diskFaults.readOnly, path, `${path}: opened for reading`);
    };
    const read = (into: Uint8Array, position: number): number => {
      check(false);
      return node.current.read(into, position);
    };
    return {
      path,
      write: async (buffers, position) => {
        check(true);
        const bytes = Buffer.concat(buffers);
        const growth = Math.max(0, position + bytes.length - node.current.size);
        if (growth > this.#freeBytes()) throw new DiskFault(diskFaults.full, path, `${path}: no space`);
        const written = node.write(bytes, position);
        await this.#later(life, [0.02, 1], () => {
          if (!Buffer.concat(buffers).equals(bytes))
            options.onBug?.(new Error(`${path}: buffer changed while written`));
          written();
        });
      },
      read: (into, position) => this.#later(life, [0.02, 1], () => read(into, position)),
      readSync: read,
      datasync: async () => {
        check(true);
        const sync = node.beginSync();
        const fails = options.chance.often(this.syncFailureShare);
        await this.#later(life, [0.3, 20], () => {
          if (fails) sync.fail();
          else if (!options.ignoresDatasync) sync.succeed();
        });
        if (fails) {
          options.trace?.('eio', `datasync of ${path}`);
          throw new DiskFault(diskFaults.io, path, `${path}: datasync failed`);
        }
      },
      truncate: async (lengthBytes) => {
        check(true);
        const done = node.truncate(lengthBytes);
        await this.#later(life, [0.02, 1], done);
      },
      size: () => this.#later(life, [0.01, 0.1], () => node.current.size),
      close: () =>
        this.#later(life, [0.01, 0.1], () => {
          closed = true;
        }),
    };
  }
}

const parent = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/';
