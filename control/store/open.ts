/** The ways to get a control store. The folder of an LMDB store exists already; several processes may open the same one. */
import type { Clock } from '../../fabric/clock.ts';
import { systemClock } from '../../fabric/clock.ts';
import { openLmdb } from '../../fabric/lmdb.ts';
import type { ControlStore } from '../contract.ts';
import { KvControlStore } from './kv-store.ts';
import { createMemoryMap, type MemoryMap } from './memory-map.ts';

/** Transactions open at once, of all processes. */
const READERS_MAX = 510;

export interface LmdbStoreOptions {
  /** Of a directory. */
  readonly path: string;
  readonly clock: Clock;
}

/** DiskFault when it cannot be opened or is damaged. */
export async function openLmdbStore({ path, clock }: LmdbStoreOptions): Promise<ControlStore> {
  return new KvControlStore({ kv: await openLmdb({ path, readersMax: READERS_MAX }), clock });
}

export interface MemoryStoreOptions {
  readonly clock?: Clock;
  /** Contents shared with another store, as by another process. */
  readonly map?: MemoryMap;
  /** Runs each write's body twice: shows effects outside the transaction. */
  readonly runTwice?: boolean;
}

export function createMemoryStore(options: MemoryStoreOptions = {}): ControlStore {
  const { clock = systemClock, map = createMemoryMap(), runTwice = false } = options;
  return new KvControlStore({ kv: map.reopen(), clock, runTwice });
}
