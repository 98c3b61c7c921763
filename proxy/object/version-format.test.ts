/** Ids, keys and row names of versions: newest first, and nothing of them looks like a name. */
import t from 'tap';
import type { Stamp } from '../../fabric/stamp.ts';
import { KIND, keyKind, makeKey, REST_AT } from '../../object-server/contract.ts';
import {
  isVersionId,
  objectKeyOf,
  readRowName,
  rowSuffix,
  versioningOf,
  versionKey,
  versionsPrefix,
} from './version-format.ts';

const STAMPS = ['0000000000000001', '0a3478c8a85f0001', '0a3478c8a85f0002', '7fffffffffffffff', 'fffffffffffffffe'];
const object = makeKey('h'.repeat(16), STAMPS[1] as Stamp, KIND.object);

t.test('keys of a name are in order of age, newest first, the null version last', async (t) => {
  const keys = STAMPS.map((stamp) => versionKey(object, stamp));
  t.same([...keys].sort(), [...keys].reverse());
  for (const key of keys) {
    t.ok(key.startsWith(versionsPrefix(object)));
    t.equal(keyKind(key), KIND.version);
    t.equal(key.length, REST_AT + 8);
    t.ok(key < versionKey(object, 'null'));
    t.equal(objectKeyOf(key), object);
  }
});

t.test('row names are in order of name, then age, and are read back', async (t) => {
  const rows = ['a', 'a\x01', 'a!', 'aa', 'ü'].flatMap((name) =>
    [...STAMPS]
      .reverse()
      .map((stamp) => ({ name, stamp, raw: Buffer.from(name).toString('latin1') + rowSuffix(stamp as Stamp) })),
  );
  t.same(
    rows.map(({ raw }) => raw),
    rows.map(({ raw }) => raw).sort(),
  );
  for (const { name, stamp, raw } of rows) t.same(readRowName(raw), { name, order: stamp });
  const suffix = rowSuffix(STAMPS[2] as Stamp);
  t.equal(suffix.length, 23);
  t.ok(
    [...suffix.slice(1)].every((char) => char.charCodeAt(0) >= 0xf8),
    'no byte of it is in UTF-8 text',
  );
});

t.test('ids and states', async (t) => {
  for (const id of ['null', ...STAMPS]) t.ok(isVersionId(id), id);
  for (const id of ['', 'NULL', 'abc', `${STAMPS[0]}0`, 'ABCDEFABCDEFABCD']) t.notOk(isVersionId(id), id);
  const container = (s3: object | undefined) => ({ record: { s3 } }) as Parameters<typeof versioningOf>[0];
  t.equal(versioningOf(container(undefined)), undefined);
  t.equal(versioningOf(container({ versioning: 'On' })), undefined);
  t.equal(versioningOf(container({ versioning: 'Suspended' })), 'Suspended');
});
