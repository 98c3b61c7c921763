/** When lifecycle rules take what. */
import t from 'tap';
import { commonPrefix, dueMs, expirationOf, type LifecycleRule, matchesRow, REAL_DAY_MS } from './lifecycle-rules.ts';

const rule = (filter: LifecycleRule['filter'], expiration?: LifecycleRule['expiration']): LifecycleRule => ({
  id: JSON.stringify(filter),
  enabled: true,
  filter,
  form: 'filter',
  expiration,
});
const at = (text: string): number => Date.parse(text);

t.test('days end at midnight', async (t) => {
  const due = (from: string, days: number): string => new Date(dueMs(at(from), days, REAL_DAY_MS)).toISOString();
  t.equal(due('2014-01-15T10:30:00Z', 3), '2014-01-19T00:00:00.000Z');
  t.equal(due('2014-01-15T00:00:00Z', 1), '2014-01-16T00:00:00.000Z');
  t.equal(due('2014-01-15T00:00:00.001Z', 1), '2014-01-17T00:00:00.000Z');
  t.equal(dueMs(500, 3, 1000), 3500, 'days of a second end at any time');
});

t.test('filters', async (t) => {
  const seen = { name: 'a/b', sizeBytes: 10 };
  t.ok(matchesRow(rule({}), seen));
  t.ok(matchesRow(rule({ prefix: 'a/' }), seen));
  t.notOk(matchesRow(rule({ prefix: 'b' }), seen));
  t.ok(matchesRow(rule({ sizeAbove: 9, sizeBelow: 11 }), seen));
  t.notOk(matchesRow(rule({ sizeAbove: 10 }), seen));
  t.notOk(matchesRow(rule({ sizeBelow: 10 }), seen));
  t.equal(commonPrefix([rule({ prefix: 'abc' }), rule({ prefix: 'abd/x' })]), 'ab');
  t.equal(commonPrefix([rule({ prefix: 'abc' }), rule({})]), '');
  t.equal(commonPrefix([rule({ prefix: '\u{1f600}' }), rule({ prefix: '\u{1f601}' })]), '', 'no half character');
});

t.test('what a header tells', async (t) => {
  const object = { name: 'k', sizeBytes: 1, createdMs: at('2020-01-01T12:00:00Z'), tags: [['a', 'b']] as const };
  const rules = [
    rule({ tags: [['a', 'b']] }, { days: 2 }),
    rule({ prefix: 'k' }, { days: 1 }),
    rule({ tags: [['a', 'c']] }, { days: 1 }),
    { ...rule({}, { days: 1 }), enabled: false },
  ];
  const found = expirationOf(rules, object, REAL_DAY_MS);
  t.same(found, { atMs: at('2020-01-03T00:00:00Z'), ruleId: rules[1]?.id }, 'the first to take it');
  t.equal(expirationOf([rule({}, { marker: true })], object, REAL_DAY_MS), undefined);
});
