import t from 'tap';
import type { ContainerTotals } from '../../account-container/contract.ts';
import type { ObjectEntry } from './contract.ts';
import { type KeptPage, PageCache } from './page-cache.ts';

const page = (count: number): KeptPage => ({
  entries: Array.from({ length: count }, (_, i): ObjectEntry => ({ prefix: `${i}/` })),
  truncated: false,
  totals: {} as ContainerTotals,
});

t.test('a page is found by everything that decides what is on it', async (t) => {
  const cache = new PageCache();
  const kept = page(3);
  const query = { limit: 3, prefix: 'a', delimiter: '/' };
  cache.put('rows', query, kept);
  t.equal(cache.get('rows', { ...query }), kept);
  const others = [
    { prefix: 'b' },
    { delimiter: '-' },
    { marker: 'a' },
    { endMarker: 'a' },
    { limit: 4 },
    { reverse: true },
    { markerSkipsPrefix: true },
  ];
  for (const other of others) t.equal(cache.get('rows', { ...query, ...other }), undefined, JSON.stringify(other));
  t.equal(cache.get('other rows', query), undefined);
});

t.test('bounded by entries, the least recently used goes first, a page too large is not kept', async (t) => {
  const cache = new PageCache(30);
  for (const name of ['a', 'b']) cache.put(name, { limit: 8 }, page(8));
  t.ok(cache.get('a', { limit: 8 }));
  cache.put('c', { limit: 8 }, page(8));
  t.equal(cache.get('b', { limit: 8 }), undefined);
  t.ok(cache.get('a', { limit: 8 }));
  t.ok(cache.get('c', { limit: 8 }));
  cache.put('c', { limit: 8 }, page(8));
  t.ok(cache.get('a', { limit: 8 }), 'a page put again counts once');
  cache.put('large', { limit: 99 }, page(99));
  t.equal(cache.get('large', { limit: 99 }), undefined);
  t.ok(cache.get('a', { limit: 8 }));
});
