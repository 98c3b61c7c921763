import t from 'tap';
import { makeStamp } from '../../fabric/stamp.ts';
import { encodeHead, KIND, makeKey } from '../../object-server/contract.ts';
import { checkReadConditions, checkWriteConditions } from './conditions.ts';
import type { Conditions, ObjectInfo } from './contract.ts';
import { encodeMeta, type ObjectRecord } from './object-format.ts';

const MODIFIED_MS = 1_700_000_000_000;
const stamp = makeStamp(MODIFIED_MS * 100, 1);
const info = { etag: 'abc', stamp } as ObjectInfo;

function read(conditions: Conditions): string {
  try {
    checkReadConditions(conditions, info);
    return 'ok';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

t.test('reads, in the order of RFC 9110', async (t) => {
  t.equal(read({}), 'ok');
  t.equal(read({ ifMatch: ['abc'] }), 'ok');
  t.equal(read({ ifMatch: '*' }), 'ok');
  t.equal(read({ ifMatch: ['x'] }), 'PreconditionFailed');
  t.equal(read({ ifMatch: ['abc'], ifUnmodifiedSinceMs: MODIFIED_MS - 1000 }), 'ok', 'If-Match settles it');
  t.equal(read({ ifUnmodifiedSinceMs: MODIFIED_MS - 1000 }), 'PreconditionFailed');
  t.equal(read({ ifUnmodifiedSinceMs: MODIFIED_MS }), 'ok');
  t.equal(read({ ifNoneMatch: ['abc'] }), 'NotModified');
  t.equal(read({ ifNoneMatch: ['x'], ifModifiedSinceMs: MODIFIED_MS }), 'ok', 'If-None-Match settles it');
  t.equal(read({ ifModifiedSinceMs: MODIFIED_MS }), 'NotModified');
  t.equal(read({ ifModifiedSinceMs: MODIFIED_MS - 1000 }), 'ok');
  t.equal(read({ ifMatch: ['x'], ifNoneMatch: ['abc'] }), 'PreconditionFailed', '412 goes before 304');
});

t.test('writes', async (t) => {
  const record: ObjectRecord = { account: 'a', container: 'c', name: 'o', size: 1, etag: 'abc', type: 't' };
  const key = makeKey('h'.repeat(16), stamp, KIND.object);
  const current = { record, head: encodeHead({ key, ballot: stamp, stamp, meta: encodeMeta(record) }) };
  t.equal(checkWriteConditions({ ifNoneMatch: '*' }, undefined), undefined);
  t.equal(checkWriteConditions({ ifNoneMatch: '*' }, current)?.code, 'PreconditionFailed');
  t.equal(checkWriteConditions({ ifNoneMatch: ['x'] }, current), undefined);
  t.equal(checkWriteConditions({ ifMatch: ['abc'] }, current), undefined);
  t.equal(checkWriteConditions({ ifMatch: ['x'] }, current)?.code, 'PreconditionFailed');
  t.equal(checkWriteConditions({ ifMatch: '*' }, undefined)?.code, 'NoSuchObject', 'nothing matches what is not there');
});
