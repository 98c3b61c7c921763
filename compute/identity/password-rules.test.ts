// Password rules, expiry, history and lock-out, over HTTP with a clock that is moved.
import t from 'tap';
import { systemClock } from '../../fabric/clock.ts';
import { type BedOptions, startIdentityBed } from '../../test/identity-bed.ts';

const DAY_MS = 86_400_000;

async function start(t: { teardown(run: () => unknown): void }, settings: BedOptions['settings']) {
  const state = { offsetMs: 0 };
  const clock = { ...systemClock, nowMs: () => Date.now() + state.offsetMs };
  const bed = await startIdentityBed({ settings: settings ?? {}, clock });
  t.teardown(() => bed.stop());
  let count = 0;
  const newUser = async (body: Record<string, unknown> = {}) => {
    const user = { name: `user-${++count}`, password: 'first-Password1', ...body };
    return (await bed.admin.call('POST', '/v3/users', { user })).body.user;
  };
  const login = async (id: string, password: string) => (await bed.login({ id, password }, 'unscoped')).answer;
  const change = (id: string, original_password: string, password: string) =>
    bed.client().call('POST', `/v3/users/${id}/password`, { user: { original_password, password } });
  /** The administrator's session does not last through days. */
  const asAdmin = async (method: string, path: string, body?: unknown) => {
    const { client } = await bed.login({ id: bed.ids.adminId, password: 'an-admin-of-tests' });
    return await client.call(method, path, body);
  };
  return { bed, state, newUser, login, change, asAdmin };
}

t.test('an account is locked after failures, and open again after a while', async (t) => {
  const { state, newUser, login, asAdmin } = await start(t, { lockoutAttempts: 3, lockoutS: 60 });
  const user = await newUser();
  for (let i = 0; i < 2; i++) t.equal((await login(user.id, 'wrong')).status, 401);
  t.equal((await login(user.id, 'first-Password1')).status, 201, 'two failures are forgiven');
  for (let i = 0; i < 3; i++) await login(user.id, 'wrong');
  t.equal((await login(user.id, 'first-Password1')).status, 401, 'locked');
  state.offsetMs += 61_000;
  t.equal((await login(user.id, 'first-Password1')).status, 201, 'open again');
  for (let i = 0; i < 3; i++) await login(user.id, 'wrong');
  t.equal((await asAdmin('PATCH', `/v3/users/${user.id}`, { user: { password: 'second-Password1' } })).status, 200);
  t.equal((await login(user.id, 'second-Password1')).status, 201, 'a new password opens it');
  for (let i = 0; i < 3; i++) await login(user.id, 'wrong');
  await asAdmin('PATCH', `/v3/users/${user.id}`, { user: { enabled: true } });
  t.equal((await login(user.id, 'second-Password1')).status, 201, 'and so does enabling it');
  const free = await newUser({ options: { ignore_lockout_failure_attempts: true } });
  for (let i = 0; i < 4; i++) await login(free.id, 'wrong');
  t.equal((await login(free.id, 'first-Password1')).status, 201);
});

t.test('changing a password', async (t) => {
  const { bed, state, newUser, login, change, asAdmin } = await start(t, {
    passwordRegex: '(?=.*\\d)(?=.*[A-Z]).{7,}',
    passwordRegexText: 'seven characters, a digit, a capital',
    passwordHistory: 3,
    passwordAgeMinDays: 1,
  });
  t.equal((await bed.admin.call('POST', '/v3/users', { user: { name: 'weak', password: 'weak' } })).status, 400);
  const user = await newUser();
  const session = await bed.login({ id: user.id, password: 'first-Password1' }, 'unscoped');
  t.equal((await change(user.id, 'wrong', 'second-Password1')).status, 401);
  t.match(await change(user.id, 'first-Password1', 'short'), {
    status: 400,
    body: { error: { message: /seven characters/ } },
  });
  t.equal((await change(user.id, 'first-Password1', 'second-Password1')).status, 204);
  t.equal((await session.client.call('GET', '/v3/auth/projects')).status, 401, 'sessions end');
  t.equal((await login(user.id, 'first-Password1')).status, 401);
  t.equal((await login(user.id, 'second-Password1')).status, 201);
  t.equal((await change(user.id, 'second-Password1', 'third-Password1')).status, 400, 'too soon');
  state.offsetMs += DAY_MS + 1000;
  t.equal((await change(user.id, 'second-Password1', 'first-Password1')).status, 400, 'it was used before');
  t.equal((await change(user.id, 'second-Password1', 'third-Password1')).status, 204);
  const fixed = await newUserAs(asAdmin, { options: { lock_password: true } });
  t.equal((await change(fixed.id, 'first-Password1', 'second-Password1')).status, 400, 'locked by an administrator');
});

async function newUserAs(
  asAdmin: (method: string, path: string, body?: unknown) => Promise<{ body: { user: { id: string } } }>,
  body: object,
) {
  return (await asAdmin('POST', '/v3/users', { user: { name: 'late', password: 'first-Password1', ...body } })).body
    .user;
}

t.test('expiry and the first use', async (t) => {
  const { bed, state, newUser, login, change, asAdmin } = await start(t, { passwordDays: 30, changeOnFirstUse: true });
  const user = await newUser();
  const first = await login(user.id, 'first-Password1');
  t.match(first, { status: 401, body: { error: { message: /expired and needs to be changed/ } } });
  t.equal((await change(user.id, 'first-Password1', 'own-Password1')).status, 204, 'an expired one is enough for that');
  const second = await login(user.id, 'own-Password1');
  t.equal(second.status, 201);
  t.match(second.body.token.user.password_expires_at, /^\d{4}-\d\d-\d\dT[\d:.]+$/);
  const soon = new Date(bed.service.identity.clock.nowMs() + 31 * DAY_MS).toISOString().slice(0, 19);
  const listed = await bed.admin.call('GET', `/v3/users?password_expires_at=lt:${soon}Z`);
  t.ok(listed.body.users.some(({ id }: { id: string }) => id === user.id));
  const machine = await newUser({
    options: { ignore_password_expiry: true, ignore_change_password_upon_first_use: true },
  });
  state.offsetMs += 31 * DAY_MS;
  t.equal((await login(user.id, 'own-Password1')).status, 401, 'expired');
  t.equal((await login(machine.id, 'first-Password1')).status, 201);
  // The administrator's own has expired as well.
  t.equal((await asAdmin('GET', '/v3/users')).status, 401);
});

t.test('a user who stayed away too long', async (t) => {
  const { state, newUser, login } = await start(t, { inactiveDays: 10 });
  const [user, machine] = [await newUser(), await newUser({ options: { ignore_user_inactivity: true } })];
  t.equal((await login(user.id, 'first-Password1')).status, 201);
  state.offsetMs += 9 * DAY_MS;
  t.equal((await login(user.id, 'first-Password1')).status, 201, 'which counts anew');
  state.offsetMs += 12 * DAY_MS;
  t.equal((await login(user.id, 'first-Password1')).status, 401);
  t.equal((await login(machine.id, 'first-Password1')).status, 201);
});

t.test('two factors where two are asked for', async (t) => {
  const { newUser, login } = await start(t, {});
  const rules = (multi_factor_auth_rules: unknown) => ({
    options: { multi_factor_auth_enabled: true, multi_factor_auth_rules },
  });
  const both = await newUser(rules([['password', 'totp']]));
  t.equal((await login(both.id, 'first-Password1')).status, 401);
  const either = await newUser(rules([['password', 'totp'], ['password']]));
  t.equal((await login(either.id, 'first-Password1')).status, 201);
});
