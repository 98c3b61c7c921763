/**
 * The real `Disk`, over node:fs. Callback calls wrapped by hand, because FileHandle costs a few microseconds more per
 * operation. Owns the mapping of errno to DiskFault; never retries, never caches, never decides what a failure means.
 */
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { type Disk, DiskFault, type DiskFile, diskFaults } from './disk.ts';

/** writev(2) takes at most this many buffers. */
const IOV_MAX = 1024;

const known = new Set<string>(Object.values(diskFaults));

function toFault(error: NodeJS.ErrnoException, path: string): DiskFault {
  let code = error.code ?? diskFaults.other;
  if (code === 'EDQUOT') code = diskFaults.full;
  return new DiskFault(known.has(code) ? code : diskFaults.other, path, error.message);
}

class SystemFile implements DiskFile {
  readonly path: string;
  readonly #fd: number;
  #open = true;

  constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    for (let first = 0, at = position; first < buffers.length; first += IOV_MAX) {
      const part = buffers.length <= IOV_MAX ? buffers : buffers.slice(first, first + IOV_MAX);
      await this.#writePart(part, at);
      for (const buffer of part) at += buffer.length;
    }
  }

  #writePart(buffers: readonly Uint8Array[], position: number): Promise<void> {
    const total = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    return new Promise((resolve, reject) => {
      let at = position;
      const done = (error: NodeJS.ErrnoException | null, count: number): void => {
        if (error) return reject(toFault(error, this.path));
        at += count;
        const rest = total - (at - position);
        if (rest === 0) return resolve();
        if (count === 0) return reject(new DiskFault(diskFaults.io, this.path, 'write made no progress'));
        fs.writev(this.#fd, skipBytes(buffers, at - position), at, done);
      };
      const only = buffers[0];
      if (total === 0) resolve();
      else if (buffers.length === 1 && only) fs.write(this.#fd, only, 0, only.length, at, done);
      else fs.writev(this.#fd, buffers as Uint8Array[], at, done);
    });
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      let got = 0;
      const done = (error: NodeJS.ErrnoException | null, count: number): void => {
        if (error) return reject(toFault(error, this.path));
        got += count;
        if (count === 0 || got === into.length) resolve(got);
        else fs.read(this.#fd, into, got, into.length - got, position + got, done);
      };
      if (into.length === 0) resolve(0);
      else fs.read(this.#fd, into, 0, into.length, position, done);
    });
  }

  readSync(into: Uint8Array, position: number): number {
    try {
      let got = fs.readSync(this.#fd, into, 0, into.length, position);
      while (got > 0 && got < into.length) {
        const count = fs.readSync(this.#fd, into, got, into.length - got, position + got);
        if (count === 0) break;
        got += count;
      }
      return got;
    } catch (error) {
      throw toFault(error as NodeJS.ErrnoException, this.path);
    }
  }

  datasync(): Promise<void> {
    return settle(this.path, (done) => fs.fdatasync(this.#fd, done));
  }

  truncate(lengthBytes: number): Promise<void> {
    return settle(this.path, (done) => fs.ftruncate(this.#fd, lengthBytes, done));
  }

  size(): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.fstat(this.#fd, (error, stats) => (error ? reject(toFault(error, this.path)) : resolve(stats.size)));
    });
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await settle(this.path, (done) => fs.close(this.#fd, done));
  }
}

function settle(path: string, start: (done: (error: NodeJS.ErrnoException | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error ? reject(toFault(error, path)) : resolve()));
  });
}

function skipBytes(buffers: readonly Uint8Array[], count: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  for (const buffer of buffers) {
    if (count >= buffer.length) count -= buffer.length;
    else {
      rest.push(count > 0 ? buffer.subarray(count) : buffer);
      count = 0;
    }
  }
  return rest.slice(0, IOV_MAX);
}

async function guarded<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw error instanceof DiskFault ? error : toFault(error as NodeJS.ErrnoException, path);
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await fs.promises.open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function openFd(path: string, flags: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.open(path, flags, 0o600, (error, fd) => (error ? reject(toFault(error, path)) : resolve(fd)));
  });
}

const {
  O_RDONLY,
  O_RDWR,
  O_CREAT,
  O_EXCL,
  O_CLOEXEC = 0,
} = fs.constants as typeof fs.constants & { O_CLOEXEC?: number };
const openFlags = { read: O_RDONLY, write: O_RDWR, create: O_RDWR | O_CREAT | O_EXCL } as const;

export const systemDisk: Disk = {
  async open(path, mode) {
    const fd = await openFd(path, openFlags[mode] | O_CLOEXEC);
    const file = new SystemFile(path, fd);
    if (mode === 'create') await guarded(path, () => syncDirectory(dirname(path)));
    return file;
  },
  readFile: (path) => guarded(path, () => fs.promises.readFile(path)),
  replaceFile: (path, contents, modeBits = 0o600) =>
    guarded(path, async () => {
      const temporary = `${path}.new`;
      const handle = await fs.promises.open(temporary, 'w', modeBits);
      try {
        await handle.writeFile(contents);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await fs.promises.rename(temporary, path);
      await syncDirectory(dirname(path));
    }),
  list: (directory) =>
    guarded(directory, async () => {
      const names = await fs.promises.readdir(directory).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return [];
        throw error;
      });
      return names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
  makeDirectory: (directory) =>
    guarded(directory, async () => {
      const first = await fs.promises.mkdir(directory, { recursive: true, mode: 0o700 });
      if (first === undefined) return;
      for (let made = directory; made.length >= first.length; made = dirname(made)) await syncDirectory(dirname(made));
    }),
  remove: (path) =>
    guarded(path, async () => {
      await fs.promises.rm(path, { force: true });
      await syncDirectory(dirname(path)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
    }),
  space: (directory) =>
    guarded(directory, async () => {
      const { bsize, bavail, blocks } = await fs.promises.statfs(join(directory));
      return { freeBytes: bsize * bavail, totalBytes: bsize * blocks };
    }),
};
