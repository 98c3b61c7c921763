/**
 * What a value of SQL can be. Undefined is MISSING, null is NULL; a bigint is an INT, a Decimal a DECIMAL, a number a FLOAT.
 * What JSON nests stays as it was parsed, doubles included, until a path leads to it.
 */
import type { Decimal } from './decimal.ts';
import type { Timestamp } from './timestamp.ts';

export type Json = null | boolean | string | number | Decimal | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json;
}

export type Known = boolean | string | bigint | Decimal | number | Timestamp | readonly Json[] | JsonObject;
export type Value = Known | null | undefined;
