/**
 * Files as an argument. `systemDisk` (fabric/system-disk.ts) is the real one; the simulator's keeps written and durable
 * bytes apart and loses the difference in a crash. All paths are absolute. Failures are `DiskFault`s.
 */
import { Fault } from './errors.ts';

export interface DiskFile {
  readonly path: string;
  /** Writes all buffers one after another at `position` (vectored, short writes continued). Not durable until datasync. */
  write(buffers: readonly Uint8Array[], position: number): Promise<void>;
  /** Reads up to `into.length` bytes; returns how many there were (less only at the end of the file). */
  read(into: Uint8Array, position: number): Promise<number>;
  /** As `read`, on this thread: only for small reads of bytes very likely in the page cache (3x cheaper than async). */
  readSync(into: Uint8Array, position: number): number;
  /** fdatasync. After one failure the file's unsynced contents are unknown: never retry, take the device out. */
  datasync(): Promise<void>;
  truncate(lengthBytes: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

export interface DiskSpace {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

export interface Disk {
  /** `create` makes a new empty file and syncs its directory; it fails with EEXIST if there is one. */
  open(path: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile>;
  readFile(path: string): Promise<Buffer>;
  /** Temporary file, fsync, rename, fsync of the directory: after the promise the new contents are durable, never torn. */
  replaceFile(path: string, contents: Uint8Array, modeBits?: number): Promise<void>;
  /** Names in the directory, sorted by bytes; empty when it does not exist. */
  list(directory: string): Promise<string[]>;
  /** Makes the directory and its parents, durably. */
  makeDirectory(directory: string): Promise<void>;
  /** Removes a file (directory entry synced); no error when it is not there. */
  remove(path: string): Promise<void>;
  space(directory: string): Promise<DiskSpace>;
}

export const diskFaults = {
  notFound: 'ENOENT',
  exists: 'EEXIST',
  full: 'ENOSPC',
  io: 'EIO',
  readOnly: 'EROFS',
  other: 'EDISK',
} as const;

export class DiskFault extends Fault {
  constructor(code: string, path: string, message: string) {
    super(code, { path }, message);
  }
}
