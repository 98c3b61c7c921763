/** /v3/users: users, their passwords, and which groups and projects are theirs. Hashes are made before a write begins. */
import type { ReadTx } from '../../../control/contract.ts';
import type { PolicyTarget } from '../../../control/policy/contract.ts';
import { schema } from '../../../control/service/schema.ts';
import { type Answer, type Call, type Route, route } from '../../../control/service/types.ts';
import { checkPassword } from '../auth/prove.ts';
import { parseIsoTime } from '../iso-time.ts';
import { deleteUser } from '../model/cascade.ts';
import { projectsOf } from '../model/effective.ts';
import { groupsOf } from '../model/groups.ts';
import { getDomain } from '../model/projects.ts';
import {
  checkMayChange,
  checkPasswordRules,
  createUser,
  getUser,
  refuseDomainAsDefault,
  refuseForeignDomain,
  revokeUserTokens,
  setPassword,
  type UserChange,
  updateUser,
} from '../model/users.ts';
import { badRequest, unauthorized } from '../refusals.ts';
import { type Identity, moment } from '../service-state.ts';
import { tables, type UserRow } from '../tables.ts';
import { listed } from './listing.ts';
import {
  BOOLEAN,
  type Body,
  domainOfCaller,
  extraOf,
  given,
  ID,
  mergeOptions,
  NAME,
  NULLABLE_ID,
  nameOf,
  refuseOtherId,
  TEXT,
  targetOf,
  USER_OPTIONS,
  withinScope,
  wrapped,
} from './shared.ts';
import { showGroup, showProject, showUser } from './show.ts';

const PROPERTIES = {
  name: NAME,
  domain_id: ID,
  default_project_id: NULLABLE_ID,
  description: TEXT,
  enabled: BOOLEAN,
  password: TEXT,
  options: USER_OPTIONS,
  federated: { type: 'array' },
};
const KNOWN = [...Object.keys(PROPERTIES), 'password_expires_at', 'original_password'];
const FILTERS = ['name', 'domain_id', 'enabled'] as const;
const FEDERATED = ['idp_id', 'protocol_id', 'unique_id'] as const;

const CHANGE = schema<{ user: { password: string; original_password: string } }>({
  type: 'object',
  required: ['user'],
  properties: {
    user: {
      type: 'object',
      properties: { password: { type: 'string' }, original_password: { type: 'string' } },
      required: ['password', 'original_password'],
      additionalProperties: false,
    },
  },
});

type ById = { readonly user_id: string };
type UserCall = Call<unknown, Readonly<Record<string, Body>>>;

export function userRoutes(identity: Identity): Route[] {
  const { store } = identity;
  const target = ({ params }: { params: ById }) => store.read((tx) => userTarget(tx, params.user_id));
  const withId = { path: '/v3/users/{user_id}', target } as const;
  return [
    route({
      name: 'users:create',
      method: 'POST',
      path: '/v3/users',
      body: wrapped('user', PROPERTIES, ['name']),
      status: 201,
      run: (call) => create(identity, call),
    }),
    route({
      name: 'users:list',
      method: 'GET',
      path: '/v3/users',
      head: true,
      note: `filters ${FILTERS.join(', ')}, password_expires_at={gt|gte|lt|lte|eq|neq}:time`,
      run: (call) => list(identity, call),
    }),
    route({
      ...withId,
      name: 'users:show',
      method: 'GET',
      head: true,
      policy: 'identity:get_user',
      run: (call) => store.read(async (tx) => answer(tx, call, await getUser(tx, call.params.user_id))),
    }),
    route({
      ...withId,
      name: 'users:update',
      method: 'PATCH',
      policy: 'identity:update_user',
      body: wrapped('user', PROPERTIES),
      run: (call) => update(identity, call, call.params.user_id),
    }),
    route({
      ...withId,
      name: 'users:delete',
      method: 'DELETE',
      policy: 'identity:delete_user',
      run: async ({ params }) => {
        await store.write(async (tx) => deleteUser(tx, await getUser(tx, params.user_id)));
        return {};
      },
    }),
    ...ownRoutes(identity),
  ];
}

/** What a user has, and the password that only its owner changes. */
function ownRoutes(identity: Identity): Route[] {
  const { store } = identity;
  const target = ({ params }: { params: ById }) => store.read((tx) => userTarget(tx, params.user_id));
  return [
    route({
      name: 'users:change-password',
      method: 'POST',
      path: '/v3/users/{user_id}/password',
      auth: 'none',
      body: CHANGE,
      status: 204,
      note: 'proves itself by the original password; ends all sessions of the user',
      run: (call) => changePassword(identity, call.params.user_id, call.body.user),
    }),
    route({
      name: 'users:list-groups',
      method: 'GET',
      path: '/v3/users/{user_id}/groups',
      head: true,
      policy: 'identity:list_groups_for_user',
      target,
      run: async (call) => {
        const rows = await store.read(async (tx) => {
          await getUser(tx, call.params.user_id);
          const ids = await groupsOf(tx, call.params.user_id);
          return await Promise.all(ids.map((id) => tx.get(tables.groups, id)));
        });
        const groups = rows.filter((row) => row !== undefined);
        const shown = withinScope(call, groups).map((row) => ({
          ...showGroup(call, row),
          membership_expires_at: null,
        }));
        return listed(call, 'groups', shown, { filters: ['name'] });
      },
    }),
    route({
      name: 'users:list-projects',
      method: 'GET',
      path: '/v3/users/{user_id}/projects',
      head: true,
      policy: 'identity:list_user_projects',
      target,
      run: async (call) => {
        const rows = await store.read(async (tx) => {
          await getUser(tx, call.params.user_id);
          return await projectsOf(tx, call.params.user_id);
        });
        return listed(
          call,
          'projects',
          rows.map((row) => showProject(call, row)),
          { filters: ['name', 'enabled'] },
        );
      },
    }),
  ];
}

export async function userTarget(tx: ReadTx, id: string): Promise<PolicyTarget> {
  const row = await tx.get(tables.users, id);
  return targetOf('user', { id, domain_id: row?.domainId ?? null });
}

async function answer(tx: ReadTx, call: Call, row: UserRow): Promise<Answer> {
  const expires = (await tx.get(tables.passwords, row.id))?.entries[0]?.expiresAtMs;
  return { body: { user: showUser(call, row, expires) } };
}

async function create(identity: Identity, call: UserCall): Promise<Answer> {
  const { settings, store, passwords } = identity;
  const body = call.body['user'] as Body;
  const domainId = given<string>(body, 'domain_id') ?? domainOfCaller(call);
  call.enforce('identity:create_user', targetOf('user', { domain_id: domainId }));
  refuseFederated(body);
  const password = given<string | null>(body, 'password') ?? undefined;
  if (password !== undefined) checkPasswordRules(password, settings);
  const hash = password === undefined ? undefined : await passwords.hash(password);
  return await store.write(async (tx) => {
    await getDomain(tx, domainId);
    const defaultProjectId = given<string | null>(body, 'default_project_id') ?? undefined;
    await checkDefaultProject(tx, defaultProjectId);
    const input = {
      name: nameOf(body),
      domainId,
      enabled: given<boolean>(body, 'enabled') ?? true,
      defaultProjectId,
      description: given<string | null>(body, 'description'),
      options: mergeOptions({}, body['options']),
      extra: extraOf(body, KNOWN),
    };
    const at = moment(identity);
    const user = await createUser(tx, input, at);
    if (hash !== undefined) await setPassword(tx, { user, hash, selfService: false, settings, nowMs: at.nowMs });
    return await answer(tx, call, user);
  });
}

/** There are no other identity providers. */
function refuseFederated(body: Body): void {
  const [first] = (body['federated'] as readonly { readonly idp_id?: unknown }[] | undefined) ?? [];
  if (first !== undefined) throw badRequest(`Could not find Identity Provider: ${String(first?.idp_id)}`);
}

/** One that does not exist is taken, as in Keystone; a domain is not. */
async function checkDefaultProject(tx: ReadTx, id: string | undefined): Promise<void> {
  const row = id === undefined ? undefined : await tx.get(tables.projects, id);
  if (row !== undefined) refuseDomainAsDefault(row);
}

async function list(identity: Identity, call: Call): Promise<Answer> {
  const domainId = call.query.get('domain_id') ?? call.credentials.domainId ?? null;
  call.enforce('identity:list_users', { target: { domain_id: domainId } });
  const everywhere = call.allows('identity:list_users', { target: { domain_id: null } });
  const shown = await identity.store.read(async (tx) => {
    const rows = (await tx.scan(tables.users)).map(({ value }) => value);
    const kept = withinScope(call, rows).filter((row) => everywhere || row.domainId === domainId);
    return await Promise.all(
      kept.map(async (row) => showUser(call, row, (await tx.get(tables.passwords, row.id))?.entries[0]?.expiresAtMs)),
    );
  });
  // Users of other identity providers, of whom there are none.
  if (FEDERATED.some((name) => call.query.has(name))) shown.length = 0;
  const fitting = shown.filter((user) => expiresWhen(user, call.query.all('password_expires_at')));
  return listed(call, 'users', fitting, { filters: FILTERS, listMax: identity.settings.listMax });
}

const ORDERS: Readonly<Record<string, (have: number, asked: number) => boolean>> = {
  gt: (have, asked) => have > asked,
  gte: (have, asked) => have >= asked,
  lt: (have, asked) => have < asked,
  lte: (have, asked) => have <= asked,
  eq: (have, asked) => have === asked,
  neq: (have, asked) => have !== asked,
};

function expiresWhen(user: Body, filters: readonly string[]): boolean {
  return filters.every((filter) => {
    const [, name = 'eq', time = ''] = /^(?:([a-z]+):)?(.*)$/.exec(filter) ?? [];
    const order = ORDERS[name];
    if (order === undefined) throw badRequest(`Invalid operator of password_expires_at: ${name}.`);
    const asked = parseIsoTime(time);
    const have = user['password_expires_at'];
    return typeof have === 'string' && order(parseIsoTime(have), asked);
  });
}

async function update(identity: Identity, call: UserCall, id: string): Promise<Answer> {
  const { settings, store, passwords, clock } = identity;
  const body = call.body['user'] as Body;
  const password = given<string | null>(body, 'password') ?? undefined;
  if (password !== undefined) checkPasswordRules(password, settings);
  const hash = password === undefined ? undefined : await passwords.hash(password);
  return await store.write(async (tx) => {
    const before = await getUser(tx, id);
    refuseOtherId(body, id);
    refuseFederated(body);
    refuseForeignDomain(before.domainId, body['domain_id']);
    const nowMs = clock.nowMs();
    const change = changeOf(body, before);
    await checkDefaultProject(tx, change.defaultProjectId);
    const after = await updateUser(tx, { row: withoutDefault(before, body), change, nowMs });
    if (hash !== undefined) {
      await setPassword(tx, { user: after, hash, selfService: false, settings, nowMs });
      await revokeUserTokens(tx, id, nowMs);
    }
    // Enabling one that is enabled opens an account that failures have locked.
    if (body['enabled'] === true) tx.delete(tables.logins, id);
    return await answer(tx, call, after);
  });
}

/** `default_project_id: null` takes it away. */
function withoutDefault(row: UserRow, body: Body): UserRow {
  if (body['default_project_id'] !== null) return row;
  const { defaultProjectId: _, ...rest } = row;
  return rest;
}

function changeOf(body: Body, row: UserRow): UserChange {
  return {
    extra: { ...row.extra, ...extraOf(body, KNOWN) },
    ...(body['name'] === undefined ? {} : { name: nameOf(body) }),
    ...(body['enabled'] === undefined ? {} : { enabled: body['enabled'] === true }),
    ...(typeof body['default_project_id'] === 'string' ? { defaultProjectId: body['default_project_id'] } : {}),
    ...(body['description'] === undefined ? {} : { description: body['description'] as string | null }),
    ...(body['options'] === undefined ? {} : { options: mergeOptions(row.options, body['options']) }),
  };
}

interface PasswordChange {
  readonly password: string;
  readonly original_password: string;
}

async function changePassword(
  identity: Identity,
  id: string,
  { password, original_password }: PasswordChange,
): Promise<Answer> {
  const { settings, store, passwords, clock } = identity;
  const user = await checkPassword(identity, {
    find: (tx) => tx.get(tables.users, id),
    password: original_password,
    expiredAllowed: true,
  });
  checkPasswordRules(password, settings);
  const entries = (await store.read((tx) => tx.get(tables.passwords, id)))?.entries ?? [];
  const current = entries[0];
  if (current === undefined) throw unauthorized('no password');
  checkMayChange(user, current, { settings, nowMs: clock.nowMs() });
  if (password === original_password) throw badRequest('The new password cannot be the same as the current one.');
  for (const { hash } of entries.slice(0, settings.passwordHistory)) {
    if (await passwords.verify(password, hash))
      throw badRequest(
        `The new password cannot be identical to a previous password. The total number which includes the new password must be unique is ${settings.passwordHistory}.`,
      );
  }
  const hash = await passwords.hash(password);
  await store.write(async (tx) => {
    const nowMs = clock.nowMs();
    const now = await getUser(tx, id);
    const still = (await tx.get(tables.passwords, id))?.entries[0];
    // Somebody else changed it while this one was being hashed.
    if (still?.hash !== current.hash) throw unauthorized('the password was changed meanwhile');
    await setPassword(tx, { user: now, hash, selfService: true, settings, nowMs });
    await revokeUserTokens(tx, id, nowMs);
  });
  return {};
}
