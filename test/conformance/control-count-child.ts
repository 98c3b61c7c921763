// One of several processes that count in the same rows of an LMDB store at once.
import process from 'node:process';
import { defineTable } from '../../control/contract.ts';
import { openLmdbStore } from '../../control/store/open.ts';
import { stayAlive, systemClock } from '../../fabric/clock.ts';

export const COUNTERS = defineTable<{ count: number }>('test.counters');

async function main(path: string, times: number): Promise<void> {
  const awake = stayAlive();
  const store = await openLmdbStore({ path, clock: systemClock });
  const increment = (key: string): Promise<void> =>
    store.write(async (tx) => {
      tx.put(COUNTERS, key, { count: ((await tx.get(COUNTERS, key))?.count ?? 0) + 1 });
    });
  for (let i = 0; i < times; i += 10) {
    await Promise.all(Array.from({ length: 10 }, (_, j) => increment(j < 5 ? 'all' : `own ${process.pid}`)));
  }
  await store.close();
  awake.cancel();
}

if (process.argv[2] !== undefined) await main(process.argv[2], Number(process.argv[3]));
