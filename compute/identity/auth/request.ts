/** What a client asks of POST /v3/auth/tokens, taken apart. Bodies have passed their schema; names are not resolved yet. */
import { badRequest, expecting } from '../refusals.ts';

export interface Named {
  readonly id?: string;
  readonly name?: string;
}

/** A user, project or credential: by id, or by name within a domain. */
export interface NamedInDomain extends Named {
  readonly domain?: Named;
}

export interface AuthRequest {
  readonly methods: readonly string[];
  readonly password?: { readonly user: NamedInDomain & { readonly password: string } };
  readonly token?: { readonly id: string };
  readonly appCred?: Named & { readonly secret: string; readonly user?: NamedInDomain };
  readonly scope: ScopeRequest;
}

export type ScopeRequest =
  | { readonly kind: 'default' }
  | { readonly kind: 'unscoped' }
  | { readonly kind: 'system' }
  | { readonly kind: 'project'; readonly project: NamedInDomain }
  | { readonly kind: 'domain'; readonly domain: Named };

interface AuthBody {
  readonly auth?: {
    readonly identity: {
      readonly methods: readonly string[];
      readonly password?: { readonly user?: NamedInDomain & { readonly password?: string } };
      readonly token?: { readonly id: string };
      readonly application_credential?: Named & { readonly secret?: string; readonly user?: NamedInDomain };
    };
    readonly scope?: unknown;
  };
}

/** Fault BadRequest in Keystone's words, which testers match on, for what a schema cannot say. */
export function parseAuth(body: unknown): AuthRequest {
  const { auth } = body as AuthBody;
  if (auth === undefined) throw expecting('auth', 'request body');
  const { identity, scope } = auth;
  const { methods, password, token, application_credential: appCred } = identity;
  for (const name of methods) if (!Object.hasOwn(identity, name)) throw expecting(name, 'identity');
  return {
    methods,
    ...(methods.includes('password') && { password: { user: parseUser(password?.user) } }),
    ...(token && { token }),
    ...(methods.includes('application_credential') && { appCred: parseAppCred(appCred ?? {}) }),
    scope: parseScope(scope),
  };
}

type User = NamedInDomain & { readonly password?: string };

function parseUser(user: User | undefined): NamedInDomain & { readonly password: string } {
  if (user === undefined) throw expecting('user', 'password');
  checkNamed(user, 'identity/password/user', 'user');
  return { ...user, password: user.password ?? '' };
}

function parseAppCred(named: Named & { readonly secret?: string; readonly user?: NamedInDomain }) {
  if (!named.id && !named.name) throw expecting('name or ID', 'application credential');
  if (!named.id && !named.user) throw expecting('user', 'application credential');
  if (!named.id && !named.user?.id && named.user?.domain === undefined) throw expecting('domain', 'user');
  return { ...named, secret: named.secret ?? '' };
}

/** By its id, or by its name, and then in a domain. `target` is what Keystone calls it. */
function checkNamed(named: NamedInDomain, path: string, target: string): void {
  checkPresent(named, path);
  if (named.domain !== undefined) checkPresent(named.domain, `${path}/domain`);
  if (named.name && named.domain === undefined) throw expecting('domain', target);
}

function checkPresent({ id, name }: Named, path: string): void {
  if (id === undefined && name === undefined)
    throw badRequest(`Invalid input for field ${path}: id or name must be present.`);
}

const SCOPES = ['system', 'project', 'domain', 'OS-TRUST:trust', 'unscoped'] as const;

function parseScope(scope: unknown): ScopeRequest {
  if (scope === undefined) return { kind: 'default' };
  if (scope === 'unscoped') return { kind: 'unscoped' };
  const asked = typeof scope === 'object' ? SCOPES.filter((name) => Object.hasOwn(scope as object, name)) : [];
  if (asked.length !== 1) throw expecting('system, project, domain, OS-TRUST:trust or unscoped', 'scope');
  const { project, domain, system } = scope as Record<string, unknown>;
  if (asked[0] === 'unscoped') return { kind: 'unscoped' };
  if (asked[0] === 'OS-TRUST:trust') throw badRequest('Trusts are not supported.');
  if (project !== undefined) {
    checkNamed(project as NamedInDomain, 'scope/project', 'project');
    return { kind: 'project', project: project as NamedInDomain };
  }
  if (domain !== undefined) {
    checkPresent(domain as Named, 'scope/domain');
    return { kind: 'domain', domain: domain as Named };
  }
  if ((system as { all?: unknown }).all !== true) throw badRequest('Expecting system.all to be true.');
  return { kind: 'system' };
}
