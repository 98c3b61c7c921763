// Temporary keys: what their token says, and what ends them.
import t from 'tap';
import { createSeededRandom } from '../../fabric/random.ts';
import { MEMBER, OWNER } from '../../test/memory-world.ts';
import type { AssumableRole, User } from '../contract.ts';
import type { CallerPolicies } from '../object/contract.ts';
import { callerPolicies } from '../object/identity-policy.ts';
import { callerOf } from './callers.ts';
import { decodeSession, encodeSession, TOKEN_LENGTH_MAX } from './session-format.ts';
import { Sessions } from './sessions.ts';

const POLICY = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::b/*' }],
});

function setUp(tokenSecret = Buffer.alloc(32, 1)) {
  const keys = new Map<string, User>([OWNER, MEMBER].map((user) => [user.accessKeyId, user]));
  const roles = new Map<string, AssumableRole>();
  const managed = new Map<string, CallerPolicies>();
  const clock = {
    ms: 1_700_000_000_000,
    nowMs: () => clock.ms,
    monotonicMs: () => clock.ms,
    after: () => ({ cancel() {} }),
    nextTurn: () => {},
    sleep: async () => {},
  };
  const users = {
    byName: () => undefined,
    byAccessKey: (id: string) => keys.get(id),
    hasAccount: () => false,
    roles: {
      byId: (id: string) => roles.get(id),
      byName: () => undefined,
      has: () => roles.size > 0,
      policy: (arn: string) => managed.get(arn),
    },
  };
  const sessions = new Sessions({ users, clock, random: createSeededRandom(1), tokenSecret });
  const use = (id: string, token: string): User => sessions.users.bySession?.(id, token) as User;
  return { sessions, clock, keys, use, roles, managed };
}

const ROLE = { name: 'me', role: 'reader', policy: POLICY, lifeMs: 900_000 };

t.test('they stand for who asked for them', async (t) => {
  const { sessions, use } = setUp();
  const keys = sessions.issue(OWNER, { ...ROLE, policy: '' });
  t.match(keys.accessKeyId, /^ASIA[A-Z2-7]{16}$/);
  t.equal(keys.secretAccessKey.length, 40);
  const user = use(keys.accessKeyId, keys.token);
  t.match(user, { account: 'test', secretAccessKey: keys.secretAccessKey, session: { name: 'me', role: 'reader' } });
  t.equal(user.caller, callerOf(OWNER), 'with all of its rights');
  t.equal(use(keys.accessKeyId, keys.token), user, 'read once');
  t.not(sessions.issue(OWNER, ROLE).token, keys.token, 'no two are the same');
});

t.test('a policy narrows them', async (t) => {
  const { sessions, use } = setUp();
  const keys = sessions.issue(OWNER, ROLE);
  const { session } = use(keys.accessKeyId, keys.token).caller ?? {};
  const ask = (action: string, bucket: string, key?: string) =>
    session?.ask({ action, bucket, key, facts: () => undefined });
  t.equal(ask('s3:GetObject', 'b', 'k'), 'allow');
  t.equal(ask('s3:PutObject', 'b', 'k'), undefined);
  t.equal(ask('s3:GetObject', 'c', 'k'), undefined);
});

t.test('a role takes the place of who asked, and managed policies narrow it', async (t) => {
  const { sessions, use, roles, managed } = setUp();
  const [arn, rights] = ['arn:aws:iam::test:policy/p', callerPolicies([POLICY])];
  const role = { account: 'other', name: 'reader', path: '/', id: 'AROA', trust: '', maxSessionS: 3600, rights };
  roles.set('AROA', role);
  managed.set(arn, callerPolicies([POLICY.replace('s3:GetObject', 's3:*')]));
  const keys = sessions.issue(OWNER, { ...ROLE, policy: '', roleId: 'AROA', arns: [arn] });
  const user = use(keys.accessKeyId, keys.token);
  t.match(user, { account: 'other', admin: false, session: { roleId: 'AROA' } });
  t.equal(user.session?.parent, OWNER);
  t.match(user.caller, { account: 'AUTH_other', user: 'other:assumed-role/reader/me', admin: false, own: rights });
  const asked = { action: 's3:PutObject', bucket: 'b', key: 'k', facts: () => undefined };
  t.equal(user.caller?.session?.ask(asked), 'allow');
  managed.delete(arn);
  t.equal(user.caller?.session?.ask(asked), 'deny', 'a policy that is gone leaves nothing');
  t.equal(use(keys.accessKeyId, keys.token), user, 'read once');
  roles.set('AROA', { ...role, rights: callerPolicies([]) });
  t.not(use(keys.accessKeyId, keys.token), user, 'the role is another');
  const next = sessions.issue(user, { ...ROLE, policy: '', roleId: 'AROA' });
  t.equal(use(next.accessKeyId, next.token).session?.parent, OWNER, 'it ends with the first keys');
  roles.clear();
  t.throws(() => use(keys.accessKeyId, keys.token), { code: 'InvalidToken' });
  t.throws(() => sessions.issue(OWNER, { ...ROLE, arns: ['x'.repeat(9000)] }), { code: 'PackedPolicyTooLarge' });
});

t.test('what ends them', async (t) => {
  const { sessions, clock, keys: known, use } = setUp();
  const { accessKeyId, token, expiresMs } = sessions.issue(MEMBER, ROLE);
  t.equal(expiresMs, clock.ms + 900_000);
  t.throws(() => use('ASIAXXXXXXXXXXXXXXXX', token), { code: 'InvalidToken' });
  t.throws(() => use(MEMBER.accessKeyId, token), { code: 'InvalidToken' });
  clock.ms = expiresMs - 1;
  t.ok(use(accessKeyId, token));
  clock.ms = expiresMs;
  t.throws(() => use(accessKeyId, token), { code: 'ExpiredToken' });
  clock.ms -= 1000;
  known.delete(MEMBER.accessKeyId);
  t.throws(() => use(accessKeyId, token), { code: 'InvalidAccessKeyId' });
  known.set(MEMBER.accessKeyId, { ...MEMBER, secretAccessKey: 'another' });
  t.throws(() => use(accessKeyId, token), { code: 'InvalidToken' }, 'new keys end sessions of the old');
});

t.test('tokens that nobody gave out', async (t) => {
  const { sessions, use } = setUp();
  const other = setUp(Buffer.alloc(32, 2));
  const theirs = other.sessions.issue(OWNER, ROLE);
  t.throws(() => use(theirs.accessKeyId, theirs.token), { code: 'InvalidToken' });
  const mine = sessions.issue(OWNER, ROLE);
  const bytes = Buffer.from(mine.token, 'base64');
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] as number) ^ 1;
    const token = changed.toString('base64');
    const claim = decodeSession(Buffer.alloc(32, 1), token);
    // Whoever changes a byte does not know which keys follow from it; here the test does.
    t.throws(() => use(claim?.accessKeyId ?? mine.accessKeyId, token), `byte ${at}`);
  }
  for (const token of ['', 'x', `${mine.token}=`, mine.token.slice(4), 'A'.repeat(TOKEN_LENGTH_MAX + 1)]) {
    t.throws(() => use(mine.accessKeyId, token), { code: 'InvalidToken' });
  }
  const texts = { parent: 'p', name: '', role: '', policy: 'x'.repeat(10_000) };
  const huge = encodeSession(Buffer.alloc(32, 1), { ...texts, expiresMs: 0, nonce: Buffer.alloc(8), parentSecret: '' });
  t.equal(decodeSession(Buffer.alloc(32, 1), huge), undefined, 'what inflates beyond all measure');
});
