/**
 * The real `Kv`: one LMDB environment, one unnamed table, raw bytes on both sides. The only file that imports lmdb.
 * Every commit is one transaction and durable when its promise resolves: no NOSYNC, no overlapping sync, ever.
 * It has no opinion of what the bytes mean.
 */
import { closeSync, fstatSync, fsyncSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { open, type RangeOptions, type RootDatabase, type Transaction } from 'lmdb';
import { assert } from './assert.ts';
import { DiskFault, diskFaults } from './disk.ts';
import { Fault, fabricFaults } from './errors.ts';
import {
  KEY_BYTES_MAX,
  type KvCondition,
  type KvKey,
  type KvPut,
  type KvRange,
  type KvSnapshot,
  type SnapshotKv,
} from './kv.ts';

const latin1Keys = {
  writeKey: (key: KvKey, target: Buffer, position: number): number =>
    position + (target as Buffer & { latin1Write(text: string, at: number): number }).latin1Write(key, position),
  readKey: (source: Buffer, start: number, end: number): KvKey => source.toString('latin1', start, end),
};

export interface LmdbOptions {
  readonly path: string;
  readonly readOnly?: boolean;
  /** Snapshots and walks open at once, of all processes. */
  readonly readersMax?: number;
}

export async function openLmdb({ path, readOnly = false, readersMax = 32 }: LmdbOptions): Promise<SnapshotKv> {
  const options = {
    path,
    readOnly,
    keyEncoder: latin1Keys,
    encoding: 'binary',
    compression: false,
    cache: false,
    overlappingSync: false,
    noSubdir: false,
    maxDbs: 1,
    maxReaders: readersMax,
  } as const;
  let database: RootDatabase<Buffer, KvKey>;
  checkFile(join(path, 'data.mdb'));
  try {
    database = open<Buffer, KvKey>(options);
  } catch (error) {
    throw new DiskFault(diskFaults.other, path, `cannot open the index: ${(error as Error).message}`);
  }
  if (!readOnly) syncDirectory(path);
  return new LmdbKv(database, path);
}

/**
 * The file's two meta pages, which LMDB trusts: a damaged one would end the process by a signal. Offsets are of lmdb's own
 * build (64-bit page header of 24 bytes, then struct MDB_meta of its mdb.c); u64 fields are read as far as sizes can go.
 */
const META = { bytes: 4096, magicAt: 24, magic: 0xbeefc0de, pageBytesAt: 48, rootsAt: [88, 136], txnAt: 152 } as const;
const NO_ROOT = 0xffffffff;

/** MDB_READERS_FULL */
const READERS_FULL = -30790;

/** A file that is not there or empty is a new index. DiskFault for one that LMDB must not be given. */
function checkFile(file: string): void {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch {
    return;
  }
  try {
    if (fstatSync(fd).size > 0) checkMetas(fd, file);
  } finally {
    closeSync(fd);
  }
}

function checkMetas(fd: number, file: string): void {
  const damaged = (what: string): DiskFault =>
    new DiskFault(diskFaults.other, file, `the index is damaged (${what}); without its folder it is made anew`);
  const metas = [Buffer.alloc(META.bytes), Buffer.alloc(META.bytes)];
  readSync(fd, metas[0] as Buffer, 0, META.bytes, 0);
  const pageBytes = (metas[0] as Buffer).readUInt32LE(META.pageBytesAt);
  if ((metas[0] as Buffer).readUInt32LE(META.magicAt) !== META.magic) throw damaged('first page');
  readSync(fd, metas[1] as Buffer, 0, META.bytes, pageBytes);
  if ((metas[1] as Buffer).readUInt32LE(META.magicAt) !== META.magic) throw damaged('second page');
  const txn = (meta: Buffer): bigint => meta.readBigUInt64LE(META.txnAt);
  const newest = metas.reduce((a, b) => (txn(b) > txn(a) ? b : a));
  // Not before: another process may be writing, and its pages are there before the meta page that tells of them.
  const { size } = fstatSync(fd);
  for (const at of META.rootsAt) {
    const root = newest.readUInt32LE(at);
    if (root !== NO_ROOT && (root + 1) * pageBytes > size) throw damaged('cut short');
  }
}

/** LMDB syncs its file, not the name of it. */
function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

class LmdbKv implements SnapshotKv {
  readonly #database: RootDatabase<Buffer, KvKey>;
  readonly #path: string;
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(database: RootDatabase<Buffer, KvKey>, path: string) {
    this.#database = database;
    this.#path = path;
  }

  get(key: KvKey): Buffer | undefined {
    return honestView(this.#database.getBinaryFast(key));
  }

  snapshot(): KvSnapshot {
    // lmdb would hand out the event loop turn's own read transaction, which may be older than a commit just seen.
    this.#database.resetReadTxn();
    try {
      return new LmdbSnapshot(this.#database, this.#database.useReadTransaction());
    } catch (error) {
      if ((error as { code?: number }).code !== READERS_FULL) throw error;
      throw new Fault(fabricFaults.overloaded, {}, 'too many snapshots are open');
    }
  }

  forEach(range: KvRange, visit: (key: KvKey, value: Buffer) => boolean | void): void {
    for (const { key, value } of this.#database.getRange(rangeOptions(range))) {
      if (visit(key, value) === false) break;
    }
  }

  forEachKey(range: KvRange, visit: (key: KvKey) => boolean | void): void {
    for (const key of this.#database.getKeys(rangeOptions(range))) {
      if (visit(key) === false) break;
    }
  }

  async commit(puts: readonly KvPut[]): Promise<void> {
    checkKeys(puts);
    if (puts.length === 0) return;
    await this.#durable(this.#database.batch(() => this.#put(puts)));
  }

  async commitIf({ key, value }: KvCondition, puts: readonly KvPut[]): Promise<boolean> {
    checkKeys(puts);
    const database = this.#database;
    const commit = (): boolean => {
      const now = this.get(key);
      if (value === undefined ? now !== undefined : now === undefined || now.compare(value) !== 0) return false;
      this.#put(puts);
      return true;
    };
    return this.#durable(database.transaction(commit));
  }

  #put(puts: readonly KvPut[]): void {
    for (const [key, value] of puts) {
      if (value) void this.#database.put(key, value as Buffer);
      else void this.#database.remove(key);
    }
  }

  async #durable<T>(done: Promise<T>): Promise<T> {
    this.#last = done.catch(() => undefined);
    try {
      return await done;
    } catch (error) {
      const cause = await Promise.resolve((error as { commitError?: Promise<unknown> }).commitError).catch((e) => e);
      const { code = diskFaults.other, message } = (cause ?? error) as { code?: number | string; message: string };
      const full = code === 28 || code === 'MAP_FULL' || /no space/i.test(message);
      throw new DiskFault(full ? diskFaults.full : diskFaults.io, this.#path, `index commit failed: ${message}`);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#last;
    await this.#database.close();
  }
}

/** What lmdb takes and its types leave out. */
interface ReadsAt {
  getBinaryFast(id: KvKey, options: { transaction: Transaction }): Buffer | undefined;
}

class LmdbSnapshot implements KvSnapshot {
  readonly #database: RootDatabase<Buffer, KvKey>;
  readonly #transaction: Transaction;
  #open = true;

  constructor(database: RootDatabase<Buffer, KvKey>, transaction: Transaction) {
    this.#database = database;
    this.#transaction = transaction;
  }

  get(key: KvKey): Buffer | undefined {
    assert(this.#open, 'the snapshot is closed');
    return honestView((this.#database as unknown as ReadsAt).getBinaryFast(key, { transaction: this.#transaction }));
  }

  forEach(range: KvRange, visit: (key: KvKey, value: Buffer) => boolean | void): void {
    assert(this.#open, 'the snapshot is closed');
    const options = { ...rangeOptions(range), transaction: this.#transaction };
    for (const { key, value } of this.#database.getRange(options)) {
      if (visit(key, value) === false) break;
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#transaction.done();
  }
}

function checkKeys(puts: readonly KvPut[]): void {
  for (const [key] of puts) assert(key.length > 0 && key.length <= KEY_BYTES_MAX, 'key length out of range');
}

/** lmdb's shared buffer is longer than its `length` pretends. */
function honestView(bytes: Buffer | undefined): Buffer | undefined {
  return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function rangeOptions({ start, end, limit, reverse }: KvRange): RangeOptions {
  const bound = limit === undefined ? {} : { limit };
  // lmdb walks down from `start`, inclusively, to `end`, exclusively: our own bounds are the mirror image.
  if (reverse) return { start: end, end: start, exclusiveStart: true, inclusiveEnd: true, reverse: true, ...bound };
  return { start, end, ...bound };
}
