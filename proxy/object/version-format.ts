/**
 * How versions are named and where they lie (docs/adr/0009-versions.md). The object's own register is always the newest
 * version; older ones have registers of their own beside it, and rows in the container's versions table:
 *
 *     register   prefix of the object's key, kind version, rest: 64-bit complement of the version's stamp, so that
 *                newer ones come first; the null version has one place of its own: eight bytes 0xff
 *     row        name NUL d22, where d22 is the same complement as 22 octal digits, each as a byte 0xf8 + digit:
 *                bytes that no UTF-8 text has, so that no delimiter is ever found in them
 *
 * A version's id is its stamp, 16 hex digits; the null version's is `null`. Pure.
 */

import type { Stamp } from '../../fabric/stamp.ts';
import {
  headStamp,
  type Key,
  KIND,
  KIND_AT,
  latin1ToUtf8,
  makeKey,
  packHex,
  REST_AT,
  rowRest,
  TABLE,
} from '../../object-server/contract.ts';
import type { ContainerState } from './containers.ts';
import type { ObjectRecord } from './object-format.ts';

export type Versioning = 'Enabled' | 'Suspended';

export const NULL_VERSION = 'null';

const NULL_REST = '\xff'.repeat(8);
const DIGITS = 22;
const DIGIT_BASE = 0xf8;

/** Undefined where versioning was never asked for: such a container knows nothing of versions. */
export function versioningOf(container: Pick<ContainerState, 'record'>): Versioning | undefined {
  const state = container.record.s3?.['versioning'];
  return state === 'Enabled' || state === 'Suspended' ? state : undefined;
}

export function isVersionId(text: string): boolean {
  return text === NULL_VERSION || /^[0-9a-f]{16}$/.test(text);
}

export const versionIdOf = (record: Pick<ObjectRecord, 'version'>): string => record.version ?? NULL_VERSION;

/** Where a version stands among those of its name: when it was made. */
export const orderOf = (record: Pick<ObjectRecord, 'version'>, head: Buffer): Stamp =>
  (record.version as Stamp | undefined) ?? headStamp(head);

/** All versions of the name that are not the newest, newest first. */
export const versionsPrefix = (objectKey: Key): Key => objectKey.slice(0, KIND_AT) + KIND.version;

export function versionKey(objectKey: Key, versionId: string): Key {
  return versionsPrefix(objectKey) + (versionId === NULL_VERSION ? NULL_REST : packHex(complement(versionId)));
}

/** Of a key of this kind. */
export const isNullVersionKey = (key: Key): boolean => key.slice(REST_AT) === NULL_REST;

export const objectKeyOf = (key: Key): Key => key.slice(0, KIND_AT) + KIND.object;

function complement(stamp: string): string {
  return hex8(~highOf(stamp)) + hex8(~lowOf(stamp));
}

// A listing does this for every row: halves of 32 bits cost a tenth of what BigInt does.
const highOf = (stamp: string): number => Number.parseInt(stamp.slice(0, 8), 16);
const lowOf = (stamp: string): number => Number.parseInt(stamp.slice(8), 16);
const hex8 = (bits: number): string => (bits >>> 0).toString(16).padStart(8, '0');

/** What follows the name in a row of the versions table. */
export function rowSuffix(order: Stamp): string {
  const [high, low] = [~highOf(order), ~lowOf(order)];
  let suffix = '\0';
  for (let shift = 3 * (DIGITS - 1); shift >= 0; shift -= 3)
    suffix += String.fromCharCode(DIGIT_BASE + threeBits(high, low, shift));
  return suffix;
}

export function versionRowKey(container: ContainerState, name: string, order: Stamp): Key {
  const rest = rowRest(TABLE.versions, name) + rowSuffix(order);
  return makeKey(container.hash, container.incarnation, KIND.row, rest);
}

/** From a row's name as it is in keys. */
export function readRowName(raw: string): { readonly name: string; readonly order: Stamp } {
  let [high, low] = [0, 0];
  for (let at = raw.length - DIGITS; at < raw.length; at++) {
    high = (high << 3) | (low >>> 29);
    low = (low << 3) | ((raw.charCodeAt(at) - DIGIT_BASE) & 7);
  }
  const order = hex8(~high) + hex8(~low);
  return { name: latin1ToUtf8(raw.slice(0, -DIGITS - 1)), order: order as Stamp };
}

/** Bits `shift` to `shift` + 2 of a number of 64. */
function threeBits(high: number, low: number, shift: number): number {
  if (shift >= 32) return (high >>> (shift - 32)) & 7;
  return shift <= 29 ? (low >>> shift) & 7 : ((low >>> shift) | (high << (32 - shift))) & 7;
}
