import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { kvConformance } from '../test/conformance/kv.ts';
import { openLmdb } from './lmdb.ts';
import { createMemoryKv } from './memory-kv.ts';

t.test('LMDB', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'needletail-kv-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  await kvConformance(t, { open: () => openLmdb({ path }) });
});

t.test('in memory', async (t) => {
  let last = createMemoryKv({ commitDelay: () => new Promise((resolve) => void setImmediate(resolve)) });
  await kvConformance(t, {
    open: async () => {
      last = last.reopen();
      return last;
    },
  });
});

t.test('in memory: a crash drops what was not committed', async (t) => {
  let release = (): void => {};
  const commitDelay = (): Promise<void> => new Promise((resolve) => (release = resolve));
  const kv = createMemoryKv({ commitDelay });
  const first = kv.commit([['a', Buffer.from('1')]]);
  await new Promise((resolve) => void setImmediate(resolve));
  release();
  await first;
  void kv.commit([['b', Buffer.from('2')]]);
  await new Promise((resolve) => void setImmediate(resolve));
  kv.crash();
  release();
  await new Promise((resolve) => void setImmediate(resolve));
  const again = kv.reopen();
  t.equal(again.get('a')?.toString(), '1');
  t.equal(again.get('b'), undefined);
});
