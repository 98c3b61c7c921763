/** What a client asks of POST /v3/auth/tokens, taken apart. Bodies have passed their schema; names are not resolved yet. */
import { badRequest } from '../refusals.ts';

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
  readonly auth: {
    readonly identity: {
      readonly methods: readonly string[];
      readonly password?: { readonly user: NamedInDomain & { readonly password: string } };
      readonly token?: { readonly id: string };
      readonly application_credential?: Named & { readonly secret: string; readonly user?: NamedInDomain };
    };
    readonly scope?: unknown;
  };
}

export function parseAuth(body: unknown): AuthRequest {
  const { identity, scope } = (body as AuthBody).auth;
  const { methods, password, token, application_credential: appCred } = identity;
  for (const [name, given] of [
    ['password', password],
    ['token', token],
    ['application_credential', appCred],
  ] as const) {
    if (methods.includes(name) && given === undefined) throw badRequest(`Expecting to find ${name} in identity.`);
  }
  return {
    methods,
    ...(password && { password }),
    ...(token && { token }),
    ...(appCred && { appCred }),
    scope: parseScope(scope),
  };
}

function parseScope(scope: unknown): ScopeRequest {
  if (scope === undefined || scope === null) return { kind: 'default' };
  if (scope === 'unscoped') return { kind: 'unscoped' };
  if (typeof scope !== 'object') throw badRequest('Invalid scope.');
  const { project, domain, system, ...rest } = scope as Record<string, unknown>;
  if ('unscoped' in rest) return { kind: 'unscoped' };
  if ('OS-TRUST:trust' in rest) throw badRequest('Trusts are not supported.');
  if ([project, domain, system].filter((one) => one !== undefined).length !== 1)
    throw badRequest('Expecting exactly one of project, domain, system in scope.');
  if (project !== undefined) return { kind: 'project', project: project as NamedInDomain };
  if (domain !== undefined) return { kind: 'domain', domain: domain as Named };
  if ((system as { all?: unknown }).all !== true) throw badRequest('Expecting system.all to be true.');
  return { kind: 'system' };
}
