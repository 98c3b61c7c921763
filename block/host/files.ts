/**
 * The files of volumes: sparse files, reflinks, allocated sizes, whole directories. What `Disk` (fabric/disk.ts) does not
 * know. Never reads or writes a guest's bytes.
 */
import { constants } from 'node:fs';
import { chmod, copyFile, mkdir, open, rename, rm, stat, truncate } from 'node:fs/promises';

export interface FileSize {
  readonly bytes: number;
  readonly allocatedBytes: number;
}

export interface Files {
  /** A new file of zeros that takes no space; EEXIST if there is one. Durable when it returns, its directory entry not. */
  createSparse(path: string, bytes: number): Promise<void>;
  /** undefined: there is no such file. */
  size(path: string): Promise<FileSize | undefined>;
  grow(path: string, bytes: number): Promise<void>;
  sync(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Shares the blocks of `from`; false where the file system cannot (and nothing is left behind). */
  reflink(from: string, to: string): Promise<boolean>;
  /** Made with its parents, for its owner alone. */
  makePrivateDirectory(path: string): Promise<void>;
  /** For its owner alone. */
  makePrivate(path: string): Promise<void>;
  removeTree(path: string): Promise<void>;
}

/** What `st_blocks` counts in, whatever the file system's block size. */
const STAT_BLOCK_BYTES = 512;

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

async function createSparse(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.truncate(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function size(path: string): Promise<FileSize | undefined> {
  try {
    const found = await stat(path);
    return { bytes: found.size, allocatedBytes: found.blocks * STAT_BLOCK_BYTES };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function reflink(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (!['ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'ENOSYS', 'ENOTTY', 'EINVAL'].includes(code)) throw error;
    await rm(to, { force: true });
    return false;
  }
}

export const systemFiles: Files = {
  createSparse,
  size,
  grow: truncate,
  sync,
  rename,
  reflink,
  makePrivateDirectory: async (path) => void (await mkdir(path, { recursive: true, mode: 0o700 })),
  makePrivate: (path) => chmod(path, 0o700),
  removeTree: (path) => rm(path, { recursive: true, force: true }),
};
