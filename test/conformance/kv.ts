/** What every `Kv` must do; run against LMDB and the simulator's. `open` on the same store again sees what was committed. */
import type { Test } from 'tap';
import { KEY_BYTES_MAX, type Kv, type KvPut, type KvRange } from '../../fabric/kv.ts';
import { createSeededRandom } from '../../fabric/random.ts';

export interface KvSubject {
  open(): Promise<Kv>;
}

const seed = Number(process.env['SEED'] ?? 20_240);

export async function kvConformance(t: Test, subject: KvSubject): Promise<void> {
  await t.test('a commit is seen after it, and by the next to open', (t) => seesCommits(t, subject));
  await t.test('ranges in both directions, against a model', (t) => walksRanges(t, subject));
  await t.test('any byte, long keys, empty and large values', (t) => takesAnyBytes(t, subject));
}

async function seesCommits(t: Test, { open }: KvSubject): Promise<void> {
  const kv = await open();
  t.equal(kv.get('a'), undefined);
  const value = Buffer.from('one');
  const first = kv.commit([['a', value]]);
  t.equal(kv.get('a'), undefined, 'not before its commit');
  const second = kv.commit([
    ['a', Buffer.from('two')],
    ['b', Buffer.from('three')],
  ]);
  await Promise.all([first, second]);
  t.equal(kv.get('a')?.toString(), 'two', 'commits apply in call order');
  await kv.commit([
    ['b', null],
    ['absent', null],
  ]);
  t.equal(kv.get('b'), undefined);
  await kv.commit([]);
  await kv.close();
  const again = await open();
  t.equal(again.get('a')?.toString(), 'two');
  t.equal(again.get('b'), undefined);
  await again.commit([['a', null]]);
  await again.close();
}

async function walksRanges(t: Test, { open }: KvSubject): Promise<void> {
  t.comment(`SEED=${seed}`);
  const random = createSeededRandom(seed);
  const kv = await open();
  const model = new Map<string, string>();
  const key = (): string => `r${random.bytes(1 + random.below(3)).toString('latin1')}`;
  for (let round = 0; round < 20; round++) {
    const puts: KvPut[] = Array.from({ length: 50 }, () => [key(), random.below(4) ? random.bytes(5) : null]);
    await kv.commit(puts);
    for (const [k, v] of puts) v ? model.set(k, Buffer.from(v).toString('hex')) : model.delete(k);
    for (let i = 0; i < 10; i++) {
      const [start = '', end = ''] = [key(), key()].sort((a, b) => (a < b ? -1 : 1));
      const reverse = random.below(2) === 1;
      const limit = random.below(3) ? undefined : random.below(6);
      const wanted = [...model].filter(([k]) => k >= start && k < end).sort(([a], [b]) => (a < b ? -1 : 1));
      if (reverse) wanted.reverse();
      const range: KvRange = { start, end, reverse, ...(limit === undefined ? {} : { limit }) };
      t.same(pairs(kv, range), wanted.slice(0, limit));
      const keys: string[] = [];
      kv.forEachKey(range, (k) => keys.push(k) < 3);
      t.same(
        keys,
        wanted.slice(0, Math.min(3, limit ?? 3)).map(([k]) => k),
      );
    }
  }
  await kv.commit([...model.keys()].map((k) => [k, null]));
  await kv.close();
}

function pairs(kv: Kv, range: KvRange): [string, string][] {
  const found: [string, string][] = [];
  kv.forEach(range, (k, v) => void found.push([k, v.toString('hex')]));
  return found;
}

async function takesAnyBytes(t: Test, { open }: KvSubject): Promise<void> {
  const kv = await open();
  const long = 'k'.repeat(KEY_BYTES_MAX);
  const large = Buffer.alloc(5 * 1024 * 1024, 'v');
  await kv.commit([
    ['\0', Buffer.from('zero')],
    ['\xff\xff', Buffer.from('high')],
    ['\x80é', Buffer.alloc(0)],
    [long, large],
  ]);
  t.equal(kv.get('\0')?.toString(), 'zero');
  t.equal(kv.get('\xff\xff')?.toString(), 'high');
  t.equal(kv.get('\x80é')?.length, 0);
  t.ok(kv.get(long)?.equals(large));
  t.equal(kv.get('\0')?.toString(), 'zero', 'a small value after a large one');
  kv.forEach({ start: long, end: 'l' }, (_, value) => void t.ok(value.equals(large)));
  const keys: string[] = [];
  kv.forEachKey({ start: '\0', end: '\xff\xff\xff' }, (k) => void keys.push(k.slice(0, 3)));
  t.same(keys, ['\0', 'kkk', '\x80é', '\xff\xff']);
  await t.rejects(kv.commit([[`${long}k`, large]]), 'a key too long is refused before anything is written');
  await t.rejects(kv.commit([['', large]]));
  await kv.commit(['\0', '\xff\xff', '\x80é', long].map((k) => [k, null]));
  await kv.close();
}
