/**
 * The real `Kv`: one LMDB environment, one unnamed table, raw bytes on both sides. The only file that imports lmdb.
 * Every commit is one transaction and durable when its promise resolves: no NOSYNC, no overlapping sync, ever.
 * It has no opinion of what the bytes mean.
 */
import { closeSync, fsyncSync, openSync } from 'node:fs';
import { open, type RangeOptions, type RootDatabase } from 'lmdb';
import { assert } from './assert.ts';
import { DiskFault, diskFaults } from './disk.ts';
import { KEY_BYTES_MAX, type Kv, type KvKey, type KvPut, type KvRange } from './kv.ts';

const latin1Keys = {
  writeKey: (key: KvKey, target: Buffer, position: number): number =>
    position + (target as Buffer & { latin1Write(text: string, at: number): number }).latin1Write(key, position),
  readKey: (source: Buffer, start: number, end: number): KvKey => source.toString('latin1', start, end),
};

export interface LmdbOptions {
  readonly path: string;
  readonly readOnly?: boolean;
}

export async function openLmdb({ path, readOnly = false }: LmdbOptions): Promise<Kv> {
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
    maxReaders: 32,
  } as const;
  let database: RootDatabase<Buffer, KvKey>;
  try {
    database = open<Buffer, KvKey>(options);
  } catch (error) {
    throw new DiskFault(diskFaults.other, path, `cannot open the index: ${(error as Error).message}`);
  }
  if (!readOnly) syncDirectory(path);
  return new LmdbKv(database, path);
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

class LmdbKv implements Kv {
  readonly #database: RootDatabase<Buffer, KvKey>;
  readonly #path: string;
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(database: RootDatabase<Buffer, KvKey>, path: string) {
    this.#database = database;
    this.#path = path;
  }

  get(key: KvKey): Buffer | undefined {
    const bytes = this.#database.getBinaryFast(key);
    // lmdb's shared buffer is longer than its `length` pretends: hand out an honest view.
    return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
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
    for (const [key] of puts) assert(key.length > 0 && key.length <= KEY_BYTES_MAX, 'key length out of range');
    if (puts.length === 0) return;
    const database = this.#database;
    const done = database.batch(() => {
      for (const [key, value] of puts) {
        if (value) void database.put(key, value as Buffer);
        else void database.remove(key);
      }
    });
    this.#last = done.catch(() => undefined);
    try {
      await done;
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

function rangeOptions({ start, end, limit, reverse }: KvRange): RangeOptions {
  const bound = limit === undefined ? {} : { limit };
  // lmdb walks down from `start`, inclusively, to `end`, exclusively: our own bounds are the mirror image.
  if (reverse) return { start: end, end: start, exclusiveStart: true, inclusiveEnd: true, reverse: true, ...bound };
  return { start, end, ...bound };
}
