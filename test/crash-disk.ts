/**
 * A `Disk` in memory that keeps written and durable bytes apart. `crash` loses what was not synced: each unsynced write
 * reaches the disk whole, torn at a random byte, or not at all. Operations can be made to fail, or everything to stop, at the
 * n-th operation.
 */
import { type Disk, DiskFault, type DiskFile, diskFaults } from '../fabric/disk.ts';
import type { Random } from '../fabric/random.ts';

interface Write {
  readonly position: number;
  readonly bytes: Buffer;
}

class Inode {
  durable: Buffer = Buffer.alloc(0);
  written: Buffer = Buffer.alloc(0);
  unsynced: Write[] = [];

  sync(): void {
    this.durable = Buffer.from(this.written);
    this.unsynced = [];
  }
}

/** What an operation is about to do; a fault returned is thrown, 'stop' halts the whole disk (the process has died). */
export type Interceptor = (operation: string, path: string) => DiskFault | 'stop' | undefined;

export interface CrashDisk extends Disk {
  intercept: Interceptor | undefined;
  /** Operations that change something, so far. */
  readonly changes: number;
  space: Disk['space'];
  freeBytes: number;
  /** The state that a machine would find after losing power now. */
  crash(random: Random): CrashDisk;
  /** The state that a new process finds when the old one was killed: what was written is there, durable or not. */
  kill(): CrashDisk;
  /** Flips a bit of what is stored. */
  rot(path: string, position: number): void;
  sizeOf(path: string): number;
}

export function createCrashDisk(files = new Map<string, Inode>()): CrashDisk {
  return new MemoryDisk(files);
}

class MemoryDisk implements CrashDisk {
  readonly #files: Map<string, Inode>;
  intercept: Interceptor | undefined;
  freeBytes = 1e12;
  changes = 0;
  #stopped = false;

  constructor(files: Map<string, Inode>) {
    this.#files = files;
  }

  async #enter(operation: string, path: string, change: boolean): Promise<void> {
    if (change) this.changes++;
    const verdict = this.#stopped ? 'stop' : this.intercept?.(operation, path);
    if (verdict === 'stop') {
      this.#stopped = true;
      await new Promise(() => {});
    } else if (verdict) throw verdict;
    // Every real operation takes at least a turn of the loop.
    await new Promise((resolve) => void setImmediate(resolve));
    if (this.#stopped) await new Promise(() => {});
  }

  #inode(path: string): Inode {
    const inode = this.#files.get(path);
    if (!inode) throw new DiskFault(diskFaults.notFound, path, `no such file: ${path}`);
    return inode;
  }

  async open(path: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile> {
    await this.#enter(`open-${mode}`, path, mode === 'create');
    if (mode === 'create') {
      if (this.#files.has(path)) throw new DiskFault(diskFaults.exists, path, `exists: ${path}`);
      this.#files.set(path, new Inode());
    }
    return this.#file(path, this.#inode(path));
  }

  #file(path: string, inode: Inode): DiskFile {
    const read = (into: Uint8Array, position: number): number => {
      const part = inode.written.subarray(position, position + into.length);
      into.set(part);
      return part.length;
    };
    return {
      path,
      write: async (buffers, position) => {
        await this.#enter('write', path, true);
        const bytes = Buffer.concat(buffers);
        if (bytes.length === 0) return;
        inode.unsynced.push({ position, bytes });
        inode.written = patch(inode.written, position, bytes);
      },
      read: async (into, position) => {
        await this.#enter('read', path, false);
        return read(into, position);
      },
      readSync: (into, position) => {
        const verdict = this.intercept?.('readSync', path);
        if (verdict && verdict !== 'stop') throw verdict;
        return read(into, position);
      },
      datasync: async () => {
        await this.#enter('datasync', path, true);
        inode.sync();
      },
      truncate: async (lengthBytes) => {
        await this.#enter('truncate', path, true);
        inode.written = Buffer.from(inode.written.subarray(0, lengthBytes));
        inode.unsynced = inode.unsynced.filter(({ position }) => position < lengthBytes);
        inode.unsynced = inode.unsynced.map(({ position, bytes }) => ({
          position,
          bytes: bytes.subarray(0, lengthBytes - position),
        }));
        inode.durable = Buffer.from(inode.durable.subarray(0, lengthBytes));
      },
      size: async () => inode.written.length,
      close: async () => {},
    };
  }

  async readFile(path: string): Promise<Buffer> {
    await this.#enter('readFile', path, false);
    return Buffer.from(this.#inode(path).written);
  }

  async replaceFile(path: string, contents: Uint8Array): Promise<void> {
    await this.#enter('replaceFile', path, true);
    const inode = new Inode();
    inode.written = Buffer.from(contents);
    inode.sync();
    this.#files.set(path, inode);
  }

  async list(directory: string): Promise<string[]> {
    await this.#enter('list', directory, false);
    const names = new Set<string>();
    for (const path of this.#files.keys()) {
      if (path.startsWith(`${directory}/`)) names.add(path.slice(directory.length + 1).split('/')[0] as string);
    }
    return [...names].sort();
  }

  async makeDirectory(): Promise<void> {}

  async remove(path: string): Promise<void> {
    await this.#enter('remove', path, true);
    this.#files.delete(path);
  }

  async space(): Promise<{ freeBytes: number; totalBytes: number }> {
    return { freeBytes: this.freeBytes, totalBytes: 1e12 };
  }

  crash(random: Random): CrashDisk {
    this.#stopped = true;
    const files = new Map<string, Inode>();
    for (const [path, inode] of this.#files) {
      const after = new Inode();
      after.written = inode.durable;
      for (const { position, bytes } of inode.unsynced) {
        const fate = random.below(3);
        if (fate === 0) continue;
        const kept = fate === 1 ? bytes : bytes.subarray(0, random.below(bytes.length));
        after.written = patch(after.written, position, kept);
      }
      after.sync();
      files.set(path, after);
    }
    return new MemoryDisk(files);
  }

  kill(): CrashDisk {
    this.#stopped = true;
    const files = new Map<string, Inode>();
    for (const [path, inode] of this.#files) {
      const after = new Inode();
      after.durable = inode.durable;
      after.written = inode.written;
      after.unsynced = [...inode.unsynced];
      files.set(path, after);
    }
    return new MemoryDisk(files);
  }

  rot(path: string, position: number): void {
    const inode = this.#inode(path);
    inode.written = Buffer.from(inode.written);
    inode.written[position] = (inode.written[position] as number) ^ 0x10;
    inode.durable = Buffer.from(inode.written);
  }

  sizeOf(path: string): number {
    return this.#inode(path).written.length;
  }
}

function patch(image: Buffer, position: number, bytes: Buffer): Buffer {
  const result = Buffer.alloc(Math.max(image.length, position + bytes.length));
  image.copy(result);
  bytes.copy(result, position);
  return result;
}
