/** What Cinder's resources have in common: whose a row is, pieces of schemas, bodies as older clients send them. */
import type { ReadTx } from '../../../control/contract.ts';
import type { PolicyTarget } from '../../../control/policy/contract.ts';
import { type JsonSchema, schema } from '../../../control/service/schema.ts';
import type { Call } from '../../../control/service/types.ts';
import type { Cinder } from '../cinder.ts';
import type { Collection } from '../model/collection.ts';
import { isTrue } from '../model/scheduler.ts';
import { badRequest, notFound } from '../refusals.ts';

export type Body = Readonly<Record<string, unknown>>;
/** Of any route: what it asks about the caller. */
export type Asking = Pick<Call, 'credentials' | 'allows' | 'version'>;

export const STRING = { type: 'string' } as const;
export const TEXT = { type: ['string', 'null'], maxLength: 255 } as const;
export const NAME = { type: 'string', minLength: 1, maxLength: 255, pattern: '\\S' } as const;
export const BOOLEAN = {
  type: ['boolean', 'string'],
  enum: [
    ...[true, 'True', 'TRUE', 'true', '1', 'ON', 'On', 'on', 'YES', 'Yes', 'yes', 'y', 't'],
    ...[false, 'False', 'FALSE', 'false', '0', 'OFF', 'Off', 'off', 'NO', 'No', 'no', 'n', 'f'],
  ],
} as const;
export const OPTIONAL_BOOLEAN = { type: ['boolean', 'string', 'null'], enum: [...BOOLEAN.enum, null] } as const;
export const OPTIONAL_UUID = { type: ['string', 'null'], maxLength: 64, pattern: '^[0-9a-fA-F-]{32,36}$' } as const;
export const UUID = { type: 'string', maxLength: 64, pattern: '^[0-9a-fA-F-]{32,36}$' } as const;
export const WORDS = {
  type: 'object',
  maxProperties: 256,
  propertyNames: { pattern: '^[a-zA-Z0-9_:. /-]{1,255}$' },
  additionalProperties: { type: 'string', maxLength: 255 },
} as const;
export const WORDS_OR_NULL = { ...WORDS, type: ['object', 'null'] } as const;
export const SIZE = { type: ['integer', 'string', 'null'], minimum: 1, pattern: '^\\d{1,6}$' } as const;

/** `{ name: {…} }`; further properties of the resource only with `open`. */
export function wrapped(
  name: string,
  properties: JsonSchema,
  { required = [], open = false, also = {} }: { required?: readonly string[]; open?: boolean; also?: JsonSchema } = {},
) {
  const inner = { type: 'object', properties, required, additionalProperties: open };
  return schema<Readonly<Record<string, Body>>>({
    type: 'object',
    properties: { [name]: inner, ...also },
    required: [name],
    additionalProperties: false,
  });
}

/** `{ "os-something": {…} | null }` of an action; where it has properties, no others. */
export function action(name: string, properties?: JsonSchema, required: readonly string[] = []) {
  const type = required.length > 0 ? 'object' : properties ? ['object', 'null'] : ['object', 'null', 'string'];
  const inner = { type, ...(properties && { properties, additionalProperties: false }), required };
  return schema<Readonly<Record<string, Body>>>({ type: 'object', properties: { [name]: inner }, required: [name] });
}

export const isAdmin = ({ allows }: Pick<Asking, 'allows'>): boolean => allows('context_is_admin');

interface Owned {
  readonly id: string;
  readonly projectId: string;
}

/** Somebody else's thing is not there. */
export async function owned<T extends Owned>(
  tx: ReadTx,
  call: Asking,
  { rows, what, id }: { readonly rows: Collection<T>; readonly what: string; readonly id: string },
): Promise<T> {
  const row = await rows.get(tx, id);
  if (row && (row.projectId === call.credentials.projectId || isAdmin(call))) return row;
  throw notFound(what, id);
}

/** For `target` of routes about one thing. */
export function targetIn<T extends Owned & { readonly userId?: string }>(
  { store }: Cinder,
  { rows, what, param }: { readonly rows: Collection<T>; readonly what: string; readonly param: string },
) {
  return async (call: Asking & { readonly params: unknown }): Promise<PolicyTarget> => {
    const id = (call.params as Readonly<Record<string, string>>)[param] as string;
    const { projectId, userId } = await store.read((tx) => owned(tx, call, { rows, what, id }));
    return { project_id: projectId, user_id: userId };
  };
}

export function projectOf(call: Asking): string {
  const { projectId } = call.credentials;
  if (projectId === undefined) throw badRequest('A token of a project is needed.');
  return projectId;
}

/** Names are trimmed; both spellings of them are known. */
export function named(body: Body): { name?: string | null; description?: string | null } {
  const name = body['name'] ?? body['display_name'];
  const description = body['description'] ?? body['display_description'];
  const has = (...keys: string[]): boolean => keys.some((key) => key in body);
  return {
    ...(has('name', 'display_name') && { name: trimmed(name) }),
    ...(has('description', 'display_description') && { description: trimmed(description) }),
  };
}

const trimmed = (value: unknown): string | null => (typeof value === 'string' ? value.trim() : null);

export function bool(value: unknown): boolean {
  return value === true || (typeof value === 'string' && isTrue(value)) || value === 1;
}

/** `?name=true` of a query; false without it. Fault BadRequest for what is neither. */
export function flag({ query }: Pick<Call, 'query'>, name: string): boolean {
  const asked = query.get(name);
  if (asked === undefined) return false;
  if (/^(?:t|true|y|yes|on|1|f|false|n|no|off|0)$/i.test(asked)) return bool(asked);
  throw badRequest(`Value '${asked.slice(0, 32)}' for '${name}' is not a boolean.`);
}

export const gigabytes = (value: unknown): number | undefined =>
  value === undefined || value === null || value === '' ? undefined : Number(value);

export function words(value: unknown): Record<string, string> {
  return { ...(value as Record<string, string> | null | undefined) };
}

/** Statuses that something may be done in. */
export function oneOf(allowed: readonly string[]): string {
  return allowed.join(' or ');
}
