/**
 * What all of identity's operations share: who calls, how a resource is shown, what of a body is ours and what is kept as it
 * came. Holds no rule of its own.
 */
import type { PolicyTarget } from '../../../control/policy/contract.ts';
import { type JsonSchema, schema } from '../../../control/service/schema.ts';
import type { Call, Route } from '../../../control/service/types.ts';
import { permitsRequest, type TokenContext } from '../contract.ts';
import { badRequest, forbidden } from '../refusals.ts';
import type { Extra } from '../tables.ts';

export type Body = Readonly<Record<string, unknown>>;

/** What the caller's token says; the service's `authenticate` put it there. */
export function caller(call: Pick<Call, 'credentials'>): TokenContext {
  return call.credentials as TokenContext;
}

/** Domain a resource is put into when the body names none: the scope's. */
export function domainOfCaller(call: Pick<Call, 'credentials'>): string {
  const { domainId, projectDomainId } = call.credentials;
  return domainId ?? projectDomainId ?? 'default';
}

/** Lists by a domain's token hold what is in the domain, whatever else its roles allow: as in Keystone. */
export function withinScope<Row extends { readonly domainId: string }>(
  call: Pick<Call, 'credentials'>,
  rows: readonly Row[],
): readonly Row[] {
  const { domainId } = call.credentials;
  return domainId === undefined ? rows : rows.filter((row) => row.domainId === domainId);
}

/** Application credentials are for programs: unless made so, they cannot make more of themselves. */
export function refuseRestricted(call: Pick<Call, 'credentials'>): void {
  if (caller(call).appCred?.restricted)
    throw forbidden(
      "You are not authorized to perform the requested action: Using method 'application_credential' is not allowed for managing additional application credentials.",
    );
}

/** Tokens of an access key say no method of their own. */
function isOfAccessKey({ methods }: TokenContext): boolean {
  return methods.length === 0 || methods.includes('ec2credential');
}

/** Credentials of the user would outlive what was delegated, and reach further. */
export function refuseDelegated(call: Pick<Call, 'credentials'>): void {
  if (caller(call).appCred !== undefined || isOfAccessKey(caller(call)))
    throw forbidden(
      'You are not authorized to perform the requested action: Delegated tokens cannot access credentials directly.',
    );
}

export function refuseAccessKeys(call: Pick<Call, 'credentials'>): void {
  if (isOfAccessKey(caller(call)))
    throw forbidden('Cannot manage application credentials with a token issued via delegation.');
}

/** For every operation of a table of routes. */
export function refusing(check: (call: Pick<Call, 'credentials'>) => void, routes: readonly Route[]): Route[] {
  return routes.map((spec) => ({
    ...spec,
    run(call) {
      check(call);
      return spec.run(call);
    },
  }));
}

export const CATALOG_TYPE = 'identity';

/** Access rules of an application credential hold here as they do in any service. */
export function guarded(routes: readonly Route[]): Route[] {
  return routes.map((spec) => ({
    ...spec,
    run(call) {
      const asked = { service: CATALOG_TYPE, method: call.request.method, path: call.path };
      if (!call.isAnonymous && !permitsRequest(caller(call), asked))
        throw forbidden('You are not authorized to perform the requested action: no access rule allows it.');
      return spec.run(call);
    },
  }));
}

/** `{ name: {…} }` around a resource of this schema. */
export function wrapped(name: string, properties: JsonSchema, required: readonly string[] = []) {
  return wrappedAs(name, { properties, required, ...(required.length === 0 ? { minProperties: 1 } : {}) });
}

/** The same with a schema of one's own. */
export function wrappedAs(name: string, rules: JsonSchema) {
  const inner = { type: 'object', ...rules };
  return schema<Readonly<Record<string, Body>>>({
    type: 'object',
    properties: { [name]: inner },
    required: [name],
  });
}

export const STRING = { type: 'string' } as const;
export const TEXT = { type: ['string', 'null'] } as const;
export const BOOLEAN = { type: 'boolean' } as const;
export const ID = { type: 'string', minLength: 1, maxLength: 64, pattern: '^[a-zA-Z0-9-]+$' } as const;
export const NULLABLE_ID = { type: ['string', 'null'], maxLength: 64, pattern: '^[a-zA-Z0-9-]*$' } as const;
export const NAME = { type: 'string', minLength: 1, maxLength: 255, pattern: '\\S' } as const;
const MAYBE = { type: ['boolean', 'null'] } as const;
/** Of projects, domains and roles. null takes an option away. */
export const OPTIONS = { type: 'object', properties: { immutable: MAYBE }, additionalProperties: false } as const;
const FACTORS = { type: 'array', items: STRING, minItems: 1, uniqueItems: true } as const;
export const USER_OPTIONS = {
  type: 'object',
  properties: {
    ignore_change_password_upon_first_use: MAYBE,
    ignore_password_expiry: MAYBE,
    ignore_lockout_failure_attempts: MAYBE,
    ignore_user_inactivity: MAYBE,
    lock_password: MAYBE,
    multi_factor_auth_enabled: MAYBE,
    multi_factor_auth_rules: { type: ['array', 'null'], items: FACTORS, uniqueItems: true },
  },
  additionalProperties: false,
} as const;

/** The fields of a body that are not ours: kept and shown as they came. */
export function extraOf(body: Body, known: readonly string[]): Extra {
  return Object.fromEntries(
    Object.entries(body).filter(([name]) => !known.includes(name) && name !== 'id' && name !== 'links'),
  );
}

/** Without blanks around it, as Keystone stores names of users, groups, projects and domains. */
export function nameOf(body: Body): string {
  return String(body['name']).trim();
}

/** '' unless the body says otherwise, null included. */
export function described(body: Body): string | null {
  return body['description'] === undefined ? '' : (body['description'] as string | null);
}

/** `undefined` in the answer for what a body leaves out, so that only what was sent is changed. */
export function given<T>(body: Body, name: string): T | undefined {
  return body[name] as T | undefined;
}

/** What was sent is laid over what is there; null takes an option away. */
export function mergeOptions(before: Extra, changes: unknown): Extra {
  const merged = { ...before, ...(changes as Extra | undefined) };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null));
}

export function refuseOtherId(body: Body, id: string): void {
  if (body['id'] !== undefined && body['id'] !== id) throw badRequest('Cannot change ID');
}

export function linked(call: Pick<Call, 'url'>, path: string, resource: Body): Body {
  return { ...resource, links: { self: call.url(path) } };
}

export function targetOf(kind: string, attributes: Readonly<Record<string, unknown>>): PolicyTarget {
  return { target: { [kind]: attributes } };
}
