/**
 * Paths into JSON: what a name or a place leads to, and the rows that a FROM with wildcards makes of a value.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-select-sql-reference-select.html
 */
import { s3Fault } from '../errors.ts';
import { Decimal } from './decimal.ts';
import type { Step } from './sql-rewrite.ts';
import type { Json, JsonObject } from './value-types.ts';

export type JsonRow = Json | undefined;

export const isObject = (value: JsonRow): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Decimal);

/** Fault AmbiguousFieldName. */
export function follow(value: JsonRow, steps: readonly Step[], from = 0): JsonRow {
  let at = value;
  for (let i = from; i < steps.length && at !== undefined; i++) at = stepInto(at, steps[i] as Step);
  return at;
}

function stepInto(value: Json, step: Step): JsonRow {
  if ('index' in step) return Array.isArray(value) ? (value as readonly Json[])[step.index] : undefined;
  if (!('name' in step) || !isObject(value)) return undefined;
  return step.quoted ? own(value, step.name) : member(value, step.name);
}

const own = (value: JsonObject, name: string): JsonRow => (Object.hasOwn(value, name) ? value[name] : undefined);

/** Without quotes the case of a name does not count, and there must be one of the kind. */
function member(value: JsonObject, name: string): JsonRow {
  const wanted = name.toLowerCase();
  let found: string | undefined;
  for (const each in value) {
    if (each !== name && (each.length !== name.length || each.toLowerCase() !== wanted)) continue;
    if (found !== undefined) throw s3Fault('AmbiguousFieldName');
    found = each;
  }
  return found === undefined ? undefined : own(value, found);
}

/** Every row that `steps` lead to. A wildcard that finds nothing gives one that is missing. */
export function* expand(value: JsonRow, steps: readonly Step[], from = 0): Generator<JsonRow> {
  const next = steps.findIndex((step, i) => i >= from && 'wildcard' in step);
  if (next < 0) {
    yield follow(value, steps, from);
    return;
  }
  const container = follow(value, steps.slice(0, next), from);
  const items = itemsOf(container, steps[next] as Step);
  if (items.length === 0) yield undefined;
  for (const item of items) yield* expand(item, steps, next + 1);
}

function itemsOf(container: JsonRow, step: Step): readonly Json[] {
  const isOfItems = 'wildcard' in step && step.wildcard === 'items';
  if (isOfItems) return Array.isArray(container) ? (container as readonly Json[]) : [];
  return isObject(container) ? Object.values(container) : [];
}
