import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { diskFaults } from './disk.ts';
import { fabricFaults, isFault } from './errors.ts';
import type { KvSnapshot } from './kv.ts';
import { openLmdb } from './lmdb.ts';

t.test('an index that LMDB would end the process over is refused', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'needletail-lmdb-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  const file = join(path, 'data.mdb');
  writeFileSync(file, '');
  let kv = await openLmdb({ path });
  for (let i = 0; i < 50; i++) {
    await kv.commit(Array.from({ length: 50 }, (_, j) => [`key ${i} ${j}`, Buffer.alloc(100, i)] as const));
  }
  await kv.close();
  const whole = readFileSync(file);
  const zeroed = (from: number): Buffer => Buffer.from(whole).fill(0, from, from + 4096);
  const damages: [string, Buffer][] = [
    ['first meta page', zeroed(0)],
    ['second meta page', zeroed(4096)],
    ['text', Buffer.from('not an index at all\n')],
    ['one page', whole.subarray(0, 4096)],
    ['both meta pages only', whole.subarray(0, 8192)],
  ];
  for (const [name, bytes] of damages) {
    writeFileSync(file, bytes);
    await t.rejects(openLmdb({ path }), { code: diskFaults.other, message: /damaged/ }, name);
  }
  writeFileSync(file, whole);
  kv = await openLmdb({ path });
  t.same(kv.get('key 49 49'), Buffer.alloc(100, 49));
  await kv.close();
});

t.test('snapshots: as many as there are readers, then Overloaded, and room again once they close', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'needletail-lmdb-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  const kv = await openLmdb({ path, readersMax: 8 });
  const held: KvSnapshot[] = [];
  let refused = 0;
  for (let i = 0; i < 12; i++) {
    await kv.commit([['n', Buffer.from([i])]]);
    try {
      held.push(kv.snapshot());
    } catch (error) {
      t.ok(isFault(error, fabricFaults.overloaded), String(error));
      refused++;
    }
  }
  t.ok(refused >= 4 && held.length > 0, `${refused} refused`);
  held.forEach((one, i) => t.equal(one.get('n')?.[0], i));
  for (const one of held) one.close();
  const last = kv.snapshot();
  t.equal(last.get('n')?.[0], 11);
  t.equal(await kv.commitIf({ key: 'n', value: Buffer.from([10]) }, [['n', null]]), false);
  t.equal(await kv.commitIf({ key: 'n', value: Buffer.from([11]) }, [['n', null]]), true);
  t.equal(await kv.commitIf({ key: 'n', value: undefined }, [['n', Buffer.from([12])]]), true);
  t.equal(last.get('n')?.[0], 11);
  last.close();
  await kv.close();
});
