import t from 'tap';
import type { ContainerRecord } from '../../account-container/contract.ts';
import { Fault } from '../../fabric/errors.ts';
import { NO_STAMP } from '../../fabric/stamp.ts';
import { type Action, authorise, authoriseAccount, authoriseFound, parseAcl } from './authorise.ts';
import { NO_BLOCK, type RightsDocuments } from './bucket-rights.ts';
import { ANONYMOUS, type Caller } from './contract.ts';
import type { ObjectRecord } from './object-format.ts';

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

t.test('a grant gives what it names, where it says, and resellers may do everything', async (t) => {
  const asked = { account: 'AUTH_a' };
  const grant = { account: 'AUTH_a', container: 'c', actions: ['read'] } as const;
  const context = { transId: 't', caller: ANONYMOUS, grant };
  const denied = { code: 'AccessDenied' };
  t.ok(authorise(context, 'read', asked, container({})));
  for (const action of ['write', 'list', 'manage', 's3:DeleteBucket'] as const) {
    t.throws(() => authorise(context, action, asked, container({})), denied, action);
  }
  t.throws(() => authorise(context, 'read', { account: 'AUTH_b' }, container({})), denied, 'another account');
  t.throws(() => authorise(context, 'read', asked, { ...container({}), name: 'd' }), denied, 'another container');
  t.throws(() => authoriseAccount(context, 'AUTH_a', 'account'), denied);
  const wide = {
    ...context,
    grant: { account: 'AUTH_a', container: undefined, actions: ['account', 'containers'] },
  } as const;
  t.doesNotThrow(() => authoriseAccount(wide, 'AUTH_a', 'account'));
  t.throws(() => authoriseAccount(wide, 'AUTH_b', 'account'), denied);
  t.throws(() => authoriseAccount(wide, 'AUTH_a'), denied, 'what only owners may');
  t.ok(authorise(wide, 'manage', asked, container({})));
  const reseller: Caller = { ...stranger, reseller: true };
  t.ok(may(reseller, 'manage', {}));
  t.doesNotThrow(() => authoriseAccount({ transId: 't', caller: reseller }, 'AUTH_a'));
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

const BUCKET = {
  account: 'AUTH_a',
  name: 'c',
  policy: 0,
  metadata: {},
  createdStamp: NO_STAMP,
  modifiedStamp: NO_STAMP,
};

function verdict(
  caller: Caller,
  action: Action,
  s3: RightsDocuments,
  acl?: ObjectRecord['acl'] | null,
): boolean | 'object' {
  const record: ContainerRecord = { ...BUCKET, s3: { ...s3 } };
  const context = { transId: 't', caller };
  const asked = { account: 'AUTH_a', object: 'o' };
  try {
    if (authorise(context, action, asked, record)) return true;
    if (acl === undefined) return 'object';
    authoriseFound(context, action, asked, {
      container: record,
      found: acl && ({ acl } as ObjectRecord),
    });
    return true;
  } catch (error) {
    if (error instanceof Fault && error.code === 'AccessDenied') return false;
    throw error;
  }
}

const policy = (statement: object): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: {
      Effect: 'Allow',
      Principal: '*',
      Action: 's3:*',
      Resource: ['arn:aws:s3:::c', 'arn:aws:s3:::c/*'],
      ...statement,
    },
  });

const OPEN = { owner: 'AUTH_a', grants: [{ group: 'AllUsers', permission: 'READ' }] } as const;

t.test('a Deny binds the owner too, but for the policy itself', async (t) => {
  const s3 = { policy: policy({ Effect: 'Deny' }), ownership: 'ObjectWriter', acl: OPEN } as const;
  for (const caller of [owner, member, stranger, ANONYMOUS]) {
    t.equal(verdict(caller, 'read', s3), false);
    t.equal(verdict(caller, 's3:PutBucketPolicy', s3), caller === owner);
    t.equal(verdict(caller, 's3:DeleteBucketPolicy', s3), caller === owner);
  }
  const grant = { account: 'AUTH_a', container: undefined, actions: ['read'] } as const;
  const context = { transId: 't', caller: ANONYMOUS, grant };
  const record = { ...BUCKET, s3: { ...s3 } };
  t.throws(() => authorise(context, 'read', { account: 'AUTH_a', object: 'o' }, record), { code: 'AccessDenied' });
  t.ok(authorise(context, 'read', { account: 'AUTH_a', object: 'o' }, { ...BUCKET }), 'a signed URL without it');
});

t.test('a policy allows what it names; management without a name of S3 is the owner’s', async (t) => {
  const s3 = { policy: policy({ Principal: { AWS: 'a:bob' } }) };
  t.equal(verdict(member, 'read', s3), true);
  t.equal(verdict(member, 's3:DeleteBucket', s3), true);
  t.equal(verdict(member, 'manage', s3), false);
  t.equal(verdict(owner, 'manage', { policy: policy({ Effect: 'Deny', Action: '*' }) }), true);
  t.equal(verdict(stranger, 'read', s3), false);
  const open = { policy: policy({}), publicAccessBlock: { ...NO_BLOCK, restrictPublicBuckets: true } };
  t.equal(verdict(member, 'read', open), true, 'a public policy that is restricted is the account’s own');
  t.equal(verdict(stranger, 'read', open), false);
});

t.test('ACLs of objects are asked where ACLs are on', async (t) => {
  const off = { acl: OPEN, ownership: 'BucketOwnerEnforced' } as const;
  t.equal(verdict(ANONYMOUS, 'list', off), false, 'an ACL from before it was turned off');
  t.equal(verdict(ANONYMOUS, 'read', off), false);
  const on = { ownership: 'ObjectWriter' } as const;
  t.equal(verdict(ANONYMOUS, 'read', on), 'object');
  t.equal(verdict(ANONYMOUS, 'read', on, OPEN), true);
  t.equal(verdict(ANONYMOUS, 'read', on, null), false, 'nothing there, and no right to know that');
  t.equal(verdict(ANONYMOUS, 'read', { ...on, acl: OPEN }, null), true);
  t.equal(verdict(ANONYMOUS, 'write', { ...on, acl: OPEN }), false);
  t.equal(verdict(ANONYMOUS, 's3:PutObjectAcl', on, OPEN), false);
  const theirs = { owner: 'AUTH_b', grants: [{ id: 'AUTH_b', permission: 'FULL_CONTROL' }] } as const;
  t.equal(verdict(stranger, 'read', on, theirs), true);
  t.equal(verdict(owner, 'read', on, theirs), false, 'another account’s object in one’s own bucket');
  t.equal(verdict(owner, 's3:DeleteObject', on), true);
  const ignored = { ...on, publicAccessBlock: { ...NO_BLOCK, ignorePublicAcls: true } };
  t.equal(verdict(ANONYMOUS, 'read', ignored, OPEN), false);
});

t.test('a policy that cannot be read lets nobody in but the owner', async (t) => {
  const s3 = { policy: '{"Version":"2099"}' };
  t.equal(verdict(owner, 'read', s3), true);
  t.equal(verdict(stranger, 'read', s3), false);
});

t.test('a block takes referrers out of Swift’s ACL, not users', async (t) => {
  const record = {
    ...BUCKET,
    metadata: { 'x-container-read': '.r:*,b:eve' },
    s3: { publicAccessBlock: { ...NO_BLOCK, ignorePublicAcls: true } },
  };
  const read = (caller: Caller) => () => authorise({ transId: 't', caller }, 'read', { account: 'AUTH_a' }, record);
  t.throws(read(ANONYMOUS), { code: 'AccessDenied' });
  t.ok(read(stranger)());
});
