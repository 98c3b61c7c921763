import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openLmdbStore } from '../../control/store/open.ts';
import { systemClock } from '../../fabric/clock.ts';
import { storeConformance } from './control-store.ts';

t.test('the control store on LMDB', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'needletail-control-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  await storeConformance(t, { open: () => openLmdbStore({ path, clock: systemClock }), shared: false });
});
