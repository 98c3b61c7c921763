/**
 * JSON Schema (draft 7) by ajv: the only file that imports it. Messages are those of Python's jsonschema, which clients of
 * OpenStack know. Values of fields that may be secret are never repeated.
 */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { Fault } from '../../fabric/errors.ts';
import { apiFaults } from './faults.ts';

export type JsonSchema = Readonly<Record<string, unknown>>;

export interface Schema<T> {
  readonly json: JsonSchema;
  /** The value itself, checked. Fault BadRequest. */
  check(value: unknown): T;
}

const VALUE_CHARS_MAX = 200;
const SECRET = /password|secret|token|credential|blob|passcode|otp|key/i;
/** Of texts that a pattern may be given; longer ones are refused before it runs. */
const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;

const ajv = new Ajv({ allErrors: false, strict: true, allowUnionTypes: true, verbose: true, strictRequired: false });
ajv.addFormat('uuid', UUID);
ajv.addFormat('date-time', { validate: (text: string) => !Number.isNaN(Date.parse(text)) });
ajv.addFormat('uri', { validate: (text: string) => URL.canParse(text) });

/** Compiled at the first use, so that a service of many operations starts at once. `T` is taken on trust: say what the schema says. */
export function schema<T = unknown>(json: JsonSchema): Schema<T> {
  let validate: ValidateFunction | undefined;
  return {
    json,
    check(value) {
      validate ??= ajv.compile(json);
      if (validate(value)) return value as T;
      throw new Fault(apiFaults.badRequest, {}, describe((validate.errors ?? [])[0] as ErrorObject));
    },
  };
}

function describe(error: ErrorObject): string {
  const path = error.instancePath.split('/').slice(1).map(unescapePointer);
  const message = explain(error, path);
  if (path.length === 0) return message;
  const shown = isSecret(path) || typeof error.data === 'object' ? '' : ` Value: ${python(error.data, path)}.`;
  return `Invalid input for field/attribute ${path.join('.')}.${shown} ${message}`;
}

const EXPLAIN: Readonly<Record<string, (value: string, params: Record<string, unknown>, schema: unknown) => string>> = {
  type: (value, { type }) =>
    `${value} is not of type ${[type]
      .flat()
      .map((one) => `'${one}'`)
      .join(', ')}`,
  required: (_, { missingProperty }) => `'${missingProperty}' is a required property`,
  additionalProperties: (_, { additionalProperty }) =>
    `Additional properties are not allowed ('${cut(String(additionalProperty))}' was unexpected)`,
  minLength: (value) => `${value} is too short`,
  maxLength: (value) => `${value} is too long`,
  minItems: (value) => `${value} is too short`,
  maxItems: (value) => `${value} is too long`,
  minProperties: (value) => `${value} does not have enough properties`,
  maxProperties: (value) => `${value} has too many properties`,
  pattern: (value, { pattern }) => `${value} does not match '${pattern}'`,
  format: (value, { format }) => `${value} is not a '${format}'`,
  enum: (value, { allowedValues }) => `${value} is not one of ${python(allowedValues, [])}`,
  const: (value, { allowedValue }) => `${python(allowedValue, [])} was expected, not ${value}`,
  minimum: (value, { limit }) => `${value} is less than the minimum of ${limit}`,
  maximum: (value, { limit }) => `${value} is greater than the maximum of ${limit}`,
  uniqueItems: (value) => `${value} has non-unique elements`,
  oneOf: (value) => `${value} is not valid under any of the given schemas`,
  anyOf: (value) => `${value} is not valid under any of the given schemas`,
};

function explain({ keyword, data, params, schema: part, message }: ErrorObject, path: readonly string[]): string {
  return EXPLAIN[keyword]?.(python(data, path), params, part) ?? message ?? 'invalid';
}

/** As Python would print it, cut short. */
function python(value: unknown, path: readonly string[]): string {
  if (isSecret(path)) return 'The value';
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'string') return `'${cut(value)}'`;
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value)) return cut(`[${value.map((one) => python(one, path)).join(', ')}]`);
  // Objects may hold secrets anywhere inside.
  return 'The object';
}

const isSecret = (path: readonly string[]): boolean => path.some((part) => SECRET.test(part));
const cut = (text: string): string => (text.length > VALUE_CHARS_MAX ? `${text.slice(0, VALUE_CHARS_MAX)}...` : text);
const unescapePointer = (part: string): string => part.replaceAll('~1', '/').replaceAll('~0', '~');
