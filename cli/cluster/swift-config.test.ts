import t from 'tap';
import { rateFor } from '../../proxy/swift/rate-limit.ts';
import { SWIFT_DEFAULTS } from '../../proxy/swift-options.ts';
import { readSwiftOptions, wrongSwiftKey } from './swift-config.ts';

t.test('what cannot be is named', async (t) => {
  for (const [section, wrong] of [
    [[], 'swift'],
    [{ nonsense: 1 }, 'swift.nonsense'],
    [{ toString: 1 }, 'swift.toString'],
    [{ 'cname-depth': -1 }, 'swift.cname-depth'],
    [{ 'forbidden-pattern': '(' }, 'swift.forbidden-pattern'],
    [{ 'container-rates': [[1]] }, 'swift.container-rates'],
    [{ policies: [] }, 'swift.policies'],
    [{ policies: [{ name: 'a', deprecated: true }] }, 'swift.policies'],
    [{ policies: [{ name: 'a' }, { name: 'b', aliases: ['A'] }] }, 'swift.policies'],
    [{ policies: [{ name: 'a b' }] }, 'swift.policies'],
    [{ policies: [{ name: 'a', copies: 2 }] }, 'swift.policies'],
    [{ 'read-only': true, policies: [{ name: 'a' }] }, undefined],
    [{ 'container-sync': [] }, 'swift.container-sync'],
    [{ 'container-sync': { nonsense: 1 } }, 'swift.container-sync'],
    [{ 'container-sync': { 'allowed-hosts': 'all' } }, 'swift.container-sync'],
    [{ 'container-sync': { realms: { r: {} } } }, 'swift.container-sync'],
    [{ 'container-sync': { realms: { r: { key: 'k', clusters: { c: 'c.example.com' } } } } }, 'swift.container-sync'],
    [{ 'container-sync': { realms: { r: { key: 'k', clusters: { c: 'http://c/v1?x' } } } } }, 'swift.container-sync'],
    [{ 'container-sync': { realms: { r: { key: 'k' }, R: { key: 'k' } } } }, 'swift.container-sync'],
    [{ 'container-sync': { current: '//r/c', realms: { r: { key: 'k' } } } }, 'swift.container-sync'],
    [
      { 'container-sync': { current: '//R/c', realms: { r: { key: 'k', clusters: { C: 'http://c/v1' } } } } },
      undefined,
    ],
  ] as const) {
    t.equal(wrongSwiftKey(section), wrong, JSON.stringify(section));
  }
});

t.test('what is not said is as it was', async (t) => {
  t.same(readSwiftOptions({}), SWIFT_DEFAULTS);
  const { rates, nameCheck } = readSwiftOptions({
    'container-rates': [
      [100, 10],
      [0, 100],
    ],
    'forbidden-chars': '|',
  });
  t.match(rates, { account: 0, container: [{ objects: 0 }, { objects: 100 }], sleepMaxS: 60, bufferS: 5 });
  t.match(nameCheck, { forbiddenChars: '|', lengthMax: 255 });
  t.same(
    [0, 50, 100, 1000].map((objects) => rateFor(rates?.container ?? [], objects)),
    [100, 55, 10, 10],
    'in between it is interpolated',
  );
  t.equal(rateFor([{ objects: 10, perS: 1 }], 9), 0, 'below the first size there is none');
});
