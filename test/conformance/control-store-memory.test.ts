import t from 'tap';
import { createMemoryMap } from '../../control/store/memory-map.ts';
import { createMemoryStore } from '../../control/store/open.ts';
import { storeConformance } from './control-store.ts';

t.test('the control store in memory', async (t) => {
  const map = createMemoryMap();
  await storeConformance(t, { open: async () => createMemoryStore({ map }), shared: true });
});
