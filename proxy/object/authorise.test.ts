import t from 'tap';
import type { ContainerRecord } from '../../account-container/contract.ts';
import { Fault } from '../../fabric/errors.ts';
import { NO_STAMP } from '../../fabric/stamp.ts';
import { type Action, authorise, authoriseAccount, parseAcl } from './authorise.ts';
import { ANONYMOUS, type Caller } from './contract.ts';

const owner: Caller = { account: 'AUTH_a', user: 'a:owner', groups: ['a:owner', 'a'], admin: true };
const member: Caller = { account: 'AUTH_a', user: 'a:bob', groups: ['a:bob', 'a'], admin: false };
const stranger: Caller = { account: 'AUTH_b', user: 'b:eve', groups: ['b:eve', 'b'], admin: true };

function container(metadata: Record<string, string>): ContainerRecord {
  return { account: 'AUTH_a', name: 'c', policy: 0, metadata, createdStamp: NO_STAMP, modifiedStamp: NO_STAMP };
}

function may(caller: Caller, action: Action, metadata: Record<string, string> | undefined, referer?: string): boolean {
  try {
    authorise({ transId: 't', caller, referer }, action, { account: 'AUTH_a' }, metadata && container(metadata));
    return true;
  } catch (error) {
    if (error instanceof Fault && error.code === 'AccessDenied') return false;
    throw error;
  }
}

t.test('owners may do everything in their account, and only there', async (t) => {
  for (const action of ['read', 'write', 'list', 'manage'] as const) {
    t.ok(may(owner, action, {}), action);
    t.ok(may(owner, action, undefined), `${action} of what is not there`);
    t.notOk(may(stranger, action, {}), `${action} by another account's owner`);
    t.notOk(may(member, action, {}), `${action} by a plain member`);
    t.notOk(may(ANONYMOUS, action, {}), `${action} by anybody`);
  }
  t.doesNotThrow(() => authoriseAccount({ transId: 't', caller: owner }, 'AUTH_a'));
  t.throws(() => authoriseAccount({ transId: 't', caller: member }, 'AUTH_a'), { code: 'AccessDenied' });
  t.throws(() => authoriseAccount({ transId: 't', caller: stranger }, 'AUTH_a'), { code: 'AccessDenied' });
});

t.test('users and accounts named by an ACL get what it says and no more', async (t) => {
  const read = { 'x-container-read': 'b:eve, c' };
  t.ok(may(stranger, 'read', read));
  t.ok(may(stranger, 'list', read));
  t.notOk(may(stranger, 'write', read));
  t.notOk(may(stranger, 'manage', read));
  t.notOk(may(member, 'read', read));
  const write = { 'x-container-write': 'a:bob' };
  t.ok(may(member, 'write', write));
  t.notOk(may(member, 'read', write), 'writing does not imply reading');
});

t.test('referrers open objects; listings need .rlistings', async (t) => {
  t.ok(may(ANONYMOUS, 'read', { 'x-container-read': '.r:*' }));
  t.notOk(may(ANONYMOUS, 'list', { 'x-container-read': '.r:*' }));
  t.ok(may(ANONYMOUS, 'list', { 'x-container-read': '.r:*,.rlistings' }));
  t.notOk(may(ANONYMOUS, 'write', { 'x-container-write': '.r:*' }), 'nobody writes by referrer');
  const some = { 'x-container-read': '.r:.example.com,.r:-bad.example.com' };
  t.ok(may(ANONYMOUS, 'read', some, 'http://www.example.com/page'));
  t.notOk(may(ANONYMOUS, 'read', some, 'http://bad.example.com/'));
  t.notOk(may(ANONYMOUS, 'read', some, 'http://example.org/'));
  t.notOk(may(ANONYMOUS, 'read', some));
});

t.test('ACL text', async (t) => {
  t.same(parseAcl(' .r:* , .rlistings,acc, acc:user '), {
    groups: ['acc', 'acc:user'],
    referrers: ['*'],
    referrerListings: true,
  });
  t.same(parseAcl(''), { groups: [], referrers: [], referrerListings: false });
});
