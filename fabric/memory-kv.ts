/**
 * The simulator's `Kv`: ordered, in memory, with the same promises as LMDB. A commit becomes visible and durable together,
 * when the injected delay has passed; `crash` drops every commit that had not got there. Never touches the disk.
 */
import { assert } from './assert.ts';
import { KEY_BYTES_MAX, type Kv, type KvKey, type KvPut, type KvRange } from './kv.ts';
import { lowerBound } from './search.ts';

export interface MemoryKvOptions {
  /** Awaited before each commit takes effect. Rejecting fails the commit. */
  readonly commitDelay?: () => Promise<void>;
}

export interface MemoryKv extends Kv {
  /** Drops commits in flight and refuses further use; the committed state lives on in `reopen`. */
  crash(): void;
  /** A new Kv over the committed state, as a process that starts again would see it. */
  reopen(): MemoryKv;
}

export function createMemoryKv(options: MemoryKvOptions = {}): MemoryKv {
  return open(new Map(), options);
}

function open(committed: Map<KvKey, Buffer>, { commitDelay }: MemoryKvOptions): MemoryKv {
  let order: KvKey[] = [...committed.keys()].sort(compare);
  let orderStale = false;
  let dead = false;
  let last: Promise<void> = Promise.resolve();

  const sorted = (): KvKey[] => {
    if (orderStale) order = [...committed.keys()].sort(compare);
    orderStale = false;
    return order;
  };
  const put = ([key, value]: KvPut): void => {
    if (value === null) orderStale = committed.delete(key) || orderStale;
    else {
      orderStale ||= !committed.has(key);
      committed.set(key, Buffer.from(value));
    }
  };
  const walk = ({ start, end, limit = Infinity, reverse }: KvRange, visit: (key: KvKey) => boolean | void): void => {
    const keys = sorted();
    const low = lowerBound(keys, start);
    const high = lowerBound(keys, end);
    for (let i = 0; i < high - low && i < limit; i++) {
      if (visit(keys[reverse ? high - 1 - i : low + i] as KvKey) === false) return;
    }
  };
  const commit = async (puts: readonly KvPut[]): Promise<void> => {
    if (dead) throw new Error('this Kv has crashed or is closed');
    for (const [key] of puts) assert(key.length > 0 && key.length <= KEY_BYTES_MAX, 'key length out of range');
    const own = puts.map(([key, value]): KvPut => [key, value && Buffer.from(value)]);
    const turn = last.then(async () => {
      await commitDelay?.();
      if (dead) return new Promise<void>(() => {});
      for (const one of own) put(one);
    });
    last = turn.catch(() => undefined);
    return turn;
  };
  return {
    get: (key) => committed.get(key),
    forEach: (range, visit) => walk(range, (key) => visit(key, committed.get(key) as Buffer)),
    forEachKey: walk,
    commit,
    async close() {
      await last;
      dead = true;
    },
    crash() {
      dead = true;
    },
    reopen: () => open(new Map(committed), commitDelay ? { commitDelay } : {}),
  };
}

const compare = (a: KvKey, b: KvKey): number => (a < b ? -1 : a > b ? 1 : 0);
