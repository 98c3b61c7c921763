/** /v3/auth: tokens are issued, validated and revoked; what a caller may scope to. A token's text stands in headers only. */
import type { ReadTx } from '../../../control/contract.ts';
import { joinKey } from '../../../control/contract.ts';
import { schema } from '../../../control/service/schema.ts';
import { type Answer, type Call, type Route, route } from '../../../control/service/types.ts';
import { catalog } from '../auth/catalog.ts';
import { issue } from '../auth/issue.ts';
import { prove } from '../auth/prove.ts';
import { parseAuth } from '../auth/request.ts';
import type { Resolved } from '../auth/resolve.ts';
import { resolveText } from '../auth/resolve-text.ts';
import { tokenBody } from '../auth/token-body.ts';
import { grantedRoles, SYSTEM } from '../model/assignments.ts';
import { actorsOf, domainsOf, projectsOf } from '../model/effective.ts';
import { forbidden, notFound, notFoundAs } from '../refusals.ts';
import type { Identity } from '../service-state.ts';
import { tables } from '../tables.ts';
import { listed } from './listing.ts';
import { caller, linked, STRING, targetOf } from './shared.ts';
import { showDomain, showProject } from './show.ts';

const NAMED = { type: 'object', properties: { id: STRING, name: STRING } } as const;
const NAMED_IN_DOMAIN = { type: 'object', properties: { id: STRING, name: STRING, domain: NAMED } } as const;
const USER = { ...NAMED_IN_DOMAIN, properties: { ...NAMED_IN_DOMAIN.properties, password: STRING } };
const APP_CRED = {
  type: 'object',
  properties: { id: STRING, name: STRING, secret: STRING, user: NAMED_IN_DOMAIN },
} as const;

const AUTH = schema({
  type: 'object',
  properties: {
    auth: {
      type: 'object',
      required: ['identity'],
      properties: {
        identity: {
          type: 'object',
          required: ['methods'],
          properties: {
            methods: { type: 'array', items: STRING },
            password: { type: 'object', properties: { user: USER } },
            token: { type: 'object', properties: { id: STRING }, required: ['id'] },
            application_credential: APP_CRED,
          },
        },
        scope: {
          type: ['object', 'string'],
          properties: { project: NAMED_IN_DOMAIN, domain: NAMED, system: { type: 'object' } },
        },
      },
    },
  },
});

export function authRoutes(identity: Identity): Route[] {
  const { store } = identity;
  return [
    route({
      name: 'auth:issue',
      method: 'POST',
      path: '/v3/auth/tokens',
      auth: 'none',
      body: AUTH,
      status: 201,
      note: 'methods password, token, application_credential; scope project, domain, system or none',
      run: (call) => issueToken(identity, call),
    }),
    route({
      name: 'auth:validate',
      method: 'GET',
      path: '/v3/auth/tokens',
      head: true,
      note: 'X-Subject-Token; ?nocatalog, ?allow_expired (service role)',
      run: (call) => validateToken(identity, call),
    }),
    route({
      name: 'auth:revoke',
      method: 'DELETE',
      path: '/v3/auth/tokens',
      status: 204,
      run: (call) => revokeToken(identity, call),
    }),
    route({
      name: 'auth:catalog',
      method: 'GET',
      path: '/v3/auth/catalog',
      head: true,
      run: (call) => store.read((tx) => showCatalog(tx, call)),
    }),
    route({
      name: 'auth:projects',
      method: 'GET',
      path: '/v3/auth/projects',
      head: true,
      run: async (call) => {
        const rows = await store.read((tx) => projectsOf(tx, call.credentials.userId));
        return listed(
          call,
          'projects',
          rows.map((row) => showProject(call, row)),
          { filters: [] },
        );
      },
    }),
    route({
      name: 'auth:domains',
      method: 'GET',
      path: '/v3/auth/domains',
      head: true,
      run: async (call) => {
        const rows = await store.read((tx) => domainsOf(tx, call.credentials.userId));
        return listed(
          call,
          'domains',
          rows.map((row) => showDomain(call, row)),
          { filters: [] },
        );
      },
    }),
    route({
      name: 'auth:system',
      method: 'GET',
      path: '/v3/auth/system',
      head: true,
      run: async (call) => {
        const has = await store.read((tx) => hasSystemRole(tx, call.credentials.userId));
        return { body: { system: has ? [{ all: true }] : [], links: linked(call, call.path, {})['links'] } };
      },
    }),
  ];
}

async function issueToken(identity: Identity, call: Call): Promise<Answer> {
  const request = parseAuth(call.body);
  const proven = await prove(identity, request);
  const withCatalog = !call.query.has('nocatalog');
  const { token, body } = await identity.store.read(async (tx) => {
    const issued = await issue(tx, identity, { proven, scope: request.scope });
    return { token: issued.token, body: await tokenBody(tx, issued.resolved, { withCatalog }) };
  });
  call.note({ user_id: proven.userId });
  return { body, headers: ['X-Subject-Token', token] };
}

interface Subject {
  readonly text: string;
  readonly resolved: Resolved;
}

/** The token asked about. Fault NotFound when it does not hold. */
async function subjectOf(identity: Identity, tx: ReadTx, call: Call): Promise<Subject> {
  const text = call.request.headers.get('x-subject-token');
  if (!text) throw notFoundAs('No token in the request');
  const asksExpired = call.query.has('allow_expired') && caller(call).roles.includes('service');
  const resolved = await resolveText(identity, tx, text, asksExpired ? identity.settings.expiredWindowS : 0);
  // Keystone names no token here either: it would end in logs.
  if (resolved === undefined) throw notFound('token', 'the token is unknown, expired or revoked');
  return { text, resolved };
}

async function validateToken(identity: Identity, call: Call): Promise<Answer> {
  const rule = call.request.method === 'HEAD' ? 'identity:check_token' : 'identity:validate_token';
  return await identity.store.read(async (tx) => {
    const { text, resolved } = await subjectOf(identity, tx, call);
    call.enforce(rule, targetOf('token', { user_id: resolved.user.id }));
    refuseUnruly(call, resolved);
    const body = await tokenBody(tx, resolved, { withCatalog: !call.query.has('nocatalog') });
    return { status: 200, body, headers: ['X-Subject-Token', text] };
  });
}

/** A service that does not say that it knows access rules would let through what they forbid. */
function refuseUnruly(call: Call, { accessRules }: Resolved): void {
  if (accessRules !== undefined && call.request.headers.get('openstack-identity-access-rules') === undefined)
    throw notFound('token', 'it has access rules, and the service that asks does not support them');
}

async function revokeToken(identity: Identity, call: Call): Promise<Answer> {
  await identity.store.write(async (tx) => {
    const { resolved } = await subjectOf(identity, tx, call);
    call.enforce('identity:revoke_token', targetOf('token', { user_id: resolved.user.id }));
    const { payload } = resolved;
    const forgetAtMs = (payload.expiresAtS + identity.settings.expiredWindowS) * 1000;
    tx.put(tables.revocations, joinKey('audit', payload.auditIds[0] as string), { forgetAtMs });
  });
  return {};
}

async function showCatalog(tx: ReadTx, call: Call): Promise<Answer> {
  const { userId, projectId, domainId, systemScope } = call.credentials;
  if (projectId === undefined && domainId === undefined && systemScope === undefined)
    throw forbidden('You are not authorized to perform the requested action: the token has no scope.');
  const links = { self: call.url('/v3/auth/catalog') };
  return { body: { catalog: await catalog(tx, { userId, projectId }), links } };
}

async function hasSystemRole(tx: ReadTx, userId: string): Promise<boolean> {
  for (const actor of await actorsOf(tx, userId)) {
    if ((await grantedRoles(tx, actor, { ...SYSTEM, inherited: false })).length > 0) return true;
  }
  return false;
}
