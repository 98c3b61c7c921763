/** One LMDB store, several processes: exact counts, and a watcher here that hears of every commit there. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { openLmdbStore } from '../../control/store/open.ts';
import { stayAlive, systemClock } from '../../fabric/clock.ts';
import { COUNTERS } from './control-count-child.ts';

const CHILD = fileURLToPath(new URL('./control-count-child.js', import.meta.url));
const PROCESSES = 3;
const TIMES = 200;

t.test('processes that write at once', { timeout: 60_000 }, async (t) => {
  const awake = stayAlive();
  const path = mkdtempSync(join(tmpdir(), 'needletail-processes-'));
  t.teardown(() => {
    awake.cancel();
    rmSync(path, { recursive: true, force: true });
  });
  const store = await openLmdbStore({ path, clock: systemClock });
  const children = Array.from({ length: PROCESSES }, () =>
    spawn(process.execPath, [CHILD, path, String(TIMES)], { stdio: 'inherit', timeout: 50_000 }),
  );
  let failed = false;
  const ends = Promise.all(
    children.map(async (child) => {
      const [status] = (await once(child, 'exit')) as [number | null];
      failed ||= status !== 0;
      return status;
    }),
  );
  const seen = new Set<number>();
  for (let revision = 0; revision < PROCESSES * TIMES && !failed; ) {
    const page = await store.changes({ after: revision });
    for (const change of page.changes) seen.add(change.revision);
    revision = page.revision;
    if (page.changes.length === 0) await store.waitForChange(revision, 1000);
  }
  t.same(await ends, Array(PROCESSES).fill(0));
  t.equal(seen.size, PROCESSES * TIMES, 'no commit was missed, none came twice');
  const rows = await store.read((tx) => tx.scan(COUNTERS));
  t.equal(rows.find(({ key }) => key === 'all')?.value.count, (PROCESSES * TIMES) / 2);
  t.equal(rows.length, PROCESSES + 1);
  await store.close();
});
