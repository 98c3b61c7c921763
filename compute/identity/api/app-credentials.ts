/**
 * /v3/users/{id}/application_credentials and access_rules. A secret is shown once, when it is made. One drawn here is hashed
 * fast, one chosen by the user as a password is; roles are a part of what the maker's token has.
 */
import type { ReadTx, WriteTx } from '../../../control/contract.ts';
import { joinKey } from '../../../control/contract.ts';
import { type Answer, type Call, type Route, route } from '../../../control/service/types.ts';
import { parseIsoTime } from '../iso-time.ts';
import { dropAppCred } from '../model/cascade.ts';
import { findRole } from '../model/roles.ts';
import { claimName, members, must } from '../model/rows.ts';
import { getUser } from '../model/users.ts';
import { badRequest, forbidden, malformed, notFound, notFoundAs } from '../refusals.ts';
import { type Identity, moment } from '../service-state.ts';
import { type AccessRuleRow, type AppCredRow, tables } from '../tables.ts';
import { listed } from './listing.ts';
import {
  BOOLEAN,
  type Body,
  caller,
  given,
  linked,
  NAME,
  refuseAccessKeys,
  refuseRestricted,
  refusing,
  STRING,
  TEXT,
  targetOf,
  wrapped,
} from './shared.ts';
import { showAppCred } from './show.ts';

/** 512 bits. */
const SECRET_BYTES = 64;
const RULES_MAX = 100;

const RULE = {
  type: 'object',
  properties: {
    id: STRING,
    path: { type: 'string', minLength: 1, maxLength: 255, pattern: '^/.*' },
    method: { type: 'string', enum: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] },
    service: { type: 'string', minLength: 1, maxLength: 255 },
  },
  additionalProperties: false,
} as const;
/** By its id or by its name. */
const ROLE = {
  type: 'object',
  properties: { id: STRING, name: STRING },
  additionalProperties: false,
  minProperties: 1,
  maxProperties: 1,
} as const;
const BODY = wrapped(
  'application_credential',
  {
    name: NAME,
    description: TEXT,
    secret: TEXT,
    expires_at: TEXT,
    unrestricted: BOOLEAN,
    roles: { type: 'array', items: ROLE },
    access_rules: { type: 'array', items: RULE, maxItems: RULES_MAX },
    project_id: STRING,
  },
  ['name'],
);

type ById = { readonly user_id: string };

const ofUser = ({ params }: { params: ById }) => targetOf('user', { id: params.user_id });

export function appCredRoutes(identity: Identity): Route[] {
  return refusing(refuseAccessKeys, [...mainRoutes(identity), ...ruleRoutes(identity)]);
}

function mainRoutes(identity: Identity): Route[] {
  const { store } = identity;
  const all = { path: '/v3/users/{user_id}/application_credentials', target: ofUser } as const;
  const one = { path: '/v3/users/{user_id}/application_credentials/{id}', target: ofUser } as const;
  return [
    route({
      ...all,
      name: 'application_credentials:create',
      method: 'POST',
      policy: 'identity:create_application_credential',
      body: BODY,
      status: 201,
      run: (call) => create(identity, call, call.params.user_id),
    }),
    route({
      ...all,
      name: 'application_credentials:list',
      method: 'GET',
      head: true,
      policy: 'identity:list_application_credentials',
      note: 'filters name',
      run: async (call) => {
        const shown = await store.read(async (tx) => {
          await getUser(tx, call.params.user_id);
          const names = await members(tx, tables.appCredNames, call.params.user_id);
          const ids = await Promise.all(
            names.map((name) => tx.get(tables.appCredNames, joinKey(call.params.user_id, name))),
          );
          return await Promise.all(
            ids.map(async (id) => show(tx, call, await getAppCred(tx, call.params.user_id, id ?? ''))),
          );
        });
        return listed(call, 'application_credentials', shown, { filters: ['name'] });
      },
    }),
    route({
      ...one,
      name: 'application_credentials:show',
      method: 'GET',
      head: true,
      policy: 'identity:get_application_credential',
      run: (call) =>
        store.read(async (tx) => {
          const row = await getAppCred(tx, call.params.user_id, call.params.id);
          return { body: { application_credential: await show(tx, call, row) } };
        }),
    }),
    route({
      ...one,
      name: 'application_credentials:delete',
      method: 'DELETE',
      policy: 'identity:delete_application_credential',
      run: async (call) => {
        refuseRestricted(call);
        await store.write(async (tx) => dropAppCred(tx, await getAppCred(tx, call.params.user_id, call.params.id)));
        return {};
      },
    }),
  ];
}

async function getAppCred(tx: ReadTx, userId: string, id: string): Promise<AppCredRow> {
  const row = await must(tx, tables.appCreds, { kind: 'Application Credential', id });
  if (row.userId !== userId) throw notFound('Application Credential', id);
  return row;
}

async function show(tx: ReadTx, call: Call, row: AppCredRow): Promise<Body> {
  const roles = await Promise.all(row.roleIds.map((id) => tx.get(tables.roles, id)));
  const shown = roles
    .filter((role) => role !== undefined)
    .map(({ id, name, description, options }) => ({ id, name, domain_id: null, description, options }));
  if (row.accessRuleIds === undefined) return showAppCred(call, row, { roles: shown });
  const rules = await Promise.all(row.accessRuleIds.map((id) => tx.get(tables.accessRules, id)));
  const accessRules = rules
    .filter((rule) => rule !== undefined)
    .map(({ id, path, method, service }) => ({ id, path, method, service }));
  return showAppCred(call, row, { roles: shown, accessRules });
}

async function create(
  identity: Identity,
  call: Call<unknown, Readonly<Record<string, Body>>>,
  userId: string,
): Promise<Answer> {
  refuseRestricted(call);
  const body = call.body['application_credential'] as Body;
  const { projectId } = call.credentials;
  if (projectId === undefined) throw badRequest('An application credential is made with a token scoped to a project.');
  const chosen = given<string | null>(body, 'secret') ?? undefined;
  const secret = chosen ?? Buffer.from(identity.random.bytes(SECRET_BYTES)).toString('base64url');
  if (secret === '') throw badRequest('The secret cannot be empty.');
  const { passwords } = identity;
  const secretHash = chosen === undefined ? passwords.hashRandom(secret) : await passwords.hash(chosen);
  const expiresAt = given<string | null>(body, 'expires_at') ?? undefined;
  const expiresAtMs = expiresAt === undefined ? undefined : parseIsoTime(expiresAt);
  const at = moment(identity);
  if (expiresAtMs !== undefined && expiresAtMs <= at.nowMs) throw malformed("The 'expires_at' must not be before now.");
  const shown = await identity.store.write(async (tx) => {
    const limit = identity.settings.appCredsPerUserMax;
    if ((await members(tx, tables.appCredNames, userId)).length >= limit)
      throw forbidden(`The user has ${limit} application credentials already.`);
    const accessRuleIds = await rulesFrom(tx, { userId, rules: given<Body[]>(body, 'access_rules'), newId: at.newId });
    const row: AppCredRow = {
      id: at.newId(),
      name: String(body['name']),
      description: given<string | null>(body, 'description') ?? null,
      userId,
      projectId,
      secretHash,
      roleIds: await rolesFrom(tx, call, given<Body[]>(body, 'roles')),
      unrestricted: body['unrestricted'] === true,
      createdAtMs: at.nowMs,
      ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
      ...(accessRuleIds === undefined ? {} : { accessRuleIds }),
    };
    const refusal = `Duplicate entry found with name ${row.name}`;
    const index = { table: tables.appCredNames, kind: 'application_credential', within: userId, refusal };
    await claimName(tx, index, row);
    tx.put(tables.appCreds, row.id, row);
    return await show(tx, call as Call, row);
  });
  return { body: { application_credential: { ...shown, secret } } };
}

/** Roles of the caller's own token, all of them unless some are named. */
async function rolesFrom(
  tx: ReadTx,
  call: Pick<Call, 'credentials'>,
  asked: readonly Body[] | undefined,
): Promise<string[]> {
  const held = caller(call).namedRoles.map(({ id }) => id);
  if (asked === undefined || asked.length === 0) return held;
  const ids: string[] = [];
  for (const { id, name } of asked) {
    const roleId = typeof id === 'string' ? id : (await findRole(tx, String(name)))?.id;
    if (roleId === undefined) throw notFoundAs(`Role ${String(name)} is not defined`);
    if (!held.includes(roleId))
      throw badRequest('Invalid application credential: Cannot create an application credential with unassigned role');
    ids.push(roleId);
  }
  return ids;
}

interface RulesAsk {
  readonly userId: string;
  readonly rules: readonly Body[] | undefined;
  readonly newId: () => string;
}

/** Rules are a user's, and the same one is stored once. */
async function rulesFrom(tx: WriteTx, { userId, rules, newId }: RulesAsk): Promise<string[] | undefined> {
  if (rules === undefined) return undefined;
  const owned = await rulesOf(tx, userId);
  const ids: string[] = [];
  for (const rule of rules) {
    const { id, path, method, service } = rule;
    const same = owned.find((row) =>
      id === undefined ? row.path === path && row.method === method && row.service === service : row.id === id,
    );
    if (same === undefined && id !== undefined) throw notFound('Access Rule', String(id));
    if (same === undefined && (path === undefined || method === undefined || service === undefined))
      throw badRequest('An access rule has path, method and service, or the id of one made before.');
    const row = same ?? { id: newId(), userId, path: String(path), method: String(method), service: String(service) };
    if (same === undefined) {
      tx.put(tables.accessRules, row.id, row);
      tx.put(tables.userAccessRules, joinKey(userId, row.id), true);
      owned.push(row);
    }
    ids.push(row.id);
  }
  return ids;
}

async function rulesOf(tx: ReadTx, userId: string): Promise<AccessRuleRow[]> {
  const ids = await members(tx, tables.userAccessRules, userId);
  const rows = await Promise.all(ids.map((id) => tx.get(tables.accessRules, id)));
  return rows.filter((row) => row !== undefined);
}

function showRule(call: Call, { id, userId, path, method, service }: AccessRuleRow): Body {
  return linked(call, `/v3/users/${userId}/access_rules/${id}`, { id, path, method, service });
}

function ruleRoutes(identity: Identity): Route[] {
  const { store } = identity;
  const one = { path: '/v3/users/{user_id}/access_rules/{id}', target: ofUser } as const;
  const find = async (tx: ReadTx, { user_id, id }: { user_id: string; id: string }): Promise<AccessRuleRow> => {
    const row = await must(tx, tables.accessRules, { kind: 'Access Rule', id });
    if (row.userId !== user_id) throw notFound('Access Rule', id);
    return row;
  };
  return [
    route({
      name: 'access_rules:list',
      method: 'GET',
      path: '/v3/users/{user_id}/access_rules',
      head: true,
      policy: 'identity:list_access_rules',
      target: ofUser,
      note: 'filters service, path, method',
      run: async (call) => {
        const rows = await store.read((tx) => rulesOf(tx, call.params.user_id));
        return listed(
          call,
          'access_rules',
          rows.map((row) => showRule(call, row)),
          { filters: ['service', 'path', 'method'] },
        );
      },
    }),
    route({
      ...one,
      name: 'access_rules:show',
      method: 'GET',
      head: true,
      policy: 'identity:get_access_rule',
      run: async (call) => ({ body: { access_rule: showRule(call, await store.read((tx) => find(tx, call.params))) } }),
    }),
    route({
      ...one,
      name: 'access_rules:delete',
      method: 'DELETE',
      policy: 'identity:delete_access_rule',
      run: async (call) => {
        refuseRestricted(call);
        await store.write(async (tx) => {
          const row = await find(tx, call.params);
          const users = (await tx.scan(tables.appCreds)).some(({ value }) => value.accessRuleIds?.includes(row.id));
          if (users) throw forbidden('May not delete access rule in use');
          tx.delete(tables.accessRules, row.id);
          tx.delete(tables.userAccessRules, joinKey(row.userId, row.id));
        });
        return {};
      },
    }),
  ];
}
