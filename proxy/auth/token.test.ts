import t from 'tap';
import { type Clock, systemClock } from '../../fabric/clock.ts';
import type { User, Users } from '../contract.ts';
import { createTokens, TOKEN_LIFE_MS, type Tokens } from './token.ts';

const ADMIN: User = { account: 'a', name: 'ä', key: 'k', admin: true, accessKeyId: '', secretAccessKey: '' };
const SECRET = Buffer.alloc(32, 1);

function setUp(secret = SECRET): { tokens: Tokens; users: User[]; pass(ms: number): void } {
  const users = [ADMIN];
  let nowMs = 1_800_000_000_000;
  const clock: Clock = { ...systemClock, nowMs: () => nowMs };
  const directory: Users = {
    byName: (account, name) => users.find((user) => user.account === account && user.name === name),
    byAccessKey: () => undefined,
    hasAccount: () => false,
  };
  const pass = (ms: number): void => {
    nowMs += ms;
  };
  return { tokens: createTokens({ secret, users: directory, clock }), users, pass };
}

t.test('a token says who it was given to, at any proxy', async (t) => {
  const { tokens } = setUp();
  const { token, expiresInS } = tokens.issue(ADMIN);
  t.match(token, /^AUTH_tk[A-Za-z0-9_-]+$/);
  t.equal(expiresInS, 86_400);
  const caller = { account: 'AUTH_a', user: 'a:ä', groups: ['a:ä', 'a', 'AUTH_a'], admin: true };
  t.same(tokens.validate(token), caller);
  t.same(tokens.validate(token), caller, 'from the cache too');
  t.same(setUp().tokens.validate(token), caller, 'another proxy with the same secret');
  t.equal(setUp(Buffer.alloc(32, 2)).tokens.validate(token), undefined, 'another secret');
});

t.test('no byte of a token can be changed', async (t) => {
  const { tokens } = setUp();
  const { token } = tokens.issue(ADMIN);
  t.ok(tokens.validate(token));
  for (let i = 0; i < token.length; i++) {
    for (const other of ['A', 'B', '=', ' ', '']) {
      const forged = token.slice(0, i) + other + token.slice(i + 1);
      if (forged !== token) t.equal(tokens.validate(forged), undefined, `${i} ${other}`);
    }
  }
  for (const other of ['', 'AUTH_tk', `${token}=`, `${token}A`, ` ${token}`, 'x'.repeat(100_000)]) {
    t.equal(tokens.validate(other), undefined);
  }
});

t.test('a token ends with its day, its user and its key', async (t) => {
  const { tokens, users, pass } = setUp();
  const { token } = tokens.issue(ADMIN);
  pass(TOKEN_LIFE_MS - 1000);
  t.ok(tokens.validate(token));
  pass(1000);
  t.equal(tokens.validate(token), undefined, 'expired');
  const second = tokens.issue(ADMIN).token;
  t.ok(tokens.validate(second));
  users[0] = { ...ADMIN, key: 'new' };
  t.equal(tokens.validate(second), undefined, 'a new key, cached or not');
  const third = tokens.issue(users[0]).token;
  users[0] = { ...users[0], admin: false };
  t.equal(tokens.validate(third)?.admin, false, 'rights are those of now');
  users.length = 0;
  t.equal(tokens.validate(third), undefined, 'no such user any more');
});

t.test('the cache is bounded', async (t) => {
  const { tokens, pass } = setUp();
  const first = tokens.issue(ADMIN).token;
  t.ok(tokens.validate(first));
  for (let i = 0; i < 1500; i++) {
    pass(1000);
    t.ok(tokens.validate(tokens.issue(ADMIN).token));
  }
  t.ok(tokens.validate(first), 'pushed out, and checked again');
});
