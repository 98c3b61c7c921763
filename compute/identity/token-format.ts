/**
 * What a token says, in Keystone's own payload formats, so that Keystone reads ours and we read its. One row per version in
 * LAYOUTS is both the writer and the reader. Owns bytes; whether what they say still holds is decided elsewhere.
 *
 *   msgpack array: [version, field, field, …], sealed by Fernet (fernet-format.ts), which holds version byte and checksum
 *
 *   0 unscoped                 user methods                            expires audits
 *   1 domain                   user methods domain                     expires audits
 *   2 project                  user methods project                    expires audits
 *   3 trust                    user methods project                    expires audits trust
 *   4 federated, unscoped      user methods groups provider protocol   expires audits
 *   5 federated, project       user methods project groups provider protocol expires audits
 *   6 federated, domain        user methods domain  groups provider protocol expires audits
 *   7 OAuth 1                  user methods project accessToken        expires audits
 *   8 system                   user methods system                     expires audits
 *   9 application credential   user methods project                    expires audits appCred
 *
 *   id       [true, bin 16] for 32 lower-case hex digits, [false, str] for any other text
 *   domain of version 1 and trust: bin 16 or str without the pair;  groups: array of ids;  protocol, system: str
 *   methods  sum of the bits of METHODS;  expires: float64, Unix seconds;  audits: array of bin (base64url in JSON)
 */

import { decode } from '../../fabric/codec.ts';
import { Fault } from '../../fabric/errors.ts';
import { identityFaults } from './faults.ts';
import { packValue } from './token-pack.ts';

/** Bit i of `methods` is name i: Keystone's default order of `[auth] methods`. */
export const METHODS = ['external', 'password', 'token', 'oauth1', 'mapped', 'application_credential'] as const;
export type Method = (typeof METHODS)[number];

export interface TokenPayload {
  readonly userId: string;
  readonly methods: readonly Method[];
  /** Unix seconds. */
  readonly expiresAtS: number;
  /** Own id first, then the id of the token the chain began with. base64url of 16 bytes each. */
  readonly auditIds: readonly string[];
  readonly projectId?: string;
  readonly domainId?: string;
  /** 'all'. */
  readonly system?: string;
  readonly trustId?: string;
  readonly appCredId?: string;
  readonly accessTokenId?: string;
  readonly groupIds?: readonly string[];
  readonly providerId?: string;
  readonly protocolId?: string;
}

interface Field {
  readonly name: keyof TokenPayload;
  readonly pack: (value: never) => unknown;
  readonly unpack: (value: unknown) => unknown;
}

const HEX_ID = /^[0-9a-f]{32}$/;

function packBare(id: string): unknown {
  return HEX_ID.test(id) ? Buffer.from(id, 'hex') : id;
}

function unpackBare(value: unknown): string {
  if (typeof value === 'string') return value;
  if (!(value instanceof Uint8Array)) throw malformed();
  const bytes = Buffer.from(value);
  return bytes.length === 16 ? bytes.toString('hex') : bytes.toString('utf8');
}

function packId(id: string): unknown {
  return [HEX_ID.test(id), packBare(id)];
}

function unpackId(value: unknown): string {
  if (!Array.isArray(value) || value.length !== 2) throw malformed();
  const [isBytes, id] = value as [unknown, unknown];
  // msgpack before 1.0 wrote text as raw bytes, hence text of any length that is bytes here.
  return isBytes === true || typeof id === 'string' ? unpackBare(id) : Buffer.from(id as Uint8Array).toString('utf8');
}

function unpackText(value: unknown): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : unpackBare(value);
}

function unpackMethods(bits: unknown): Method[] {
  return METHODS.filter((_, index) => ((bits as number) >> index) & 1);
}

const packMethods = (names: readonly Method[]): number =>
  names.reduce((bits, name) => bits | (1 << METHODS.indexOf(name)), 0);

function unpackNumber(value: unknown): number {
  if (typeof value !== 'number') throw malformed();
  return value;
}

function listOf(unpack: (item: unknown) => string): (value: unknown) => string[] {
  return (value) => {
    if (!Array.isArray(value)) throw malformed();
    return value.map(unpack);
  };
}

const packAudit = (id: string): unknown => Buffer.from(id, 'base64url');
const unpackAudit = (value: unknown): string => Buffer.from(value as Uint8Array).toString('base64url');

function id(name: keyof TokenPayload): Field {
  return { name, pack: packId, unpack: unpackId };
}

function bare(name: keyof TokenPayload): Field {
  return { name, pack: packBare, unpack: unpackBare };
}

function text(name: keyof TokenPayload): Field {
  return { name, pack: (value: string) => value, unpack: unpackText };
}

const METHODS_FIELD: Field = { name: 'methods', pack: packMethods, unpack: unpackMethods };
const EXPIRES: Field = { name: 'expiresAtS', pack: (s: number) => ({ float: s }), unpack: unpackNumber };
const AUDITS: Field = { name: 'auditIds', pack: (ids: string[]) => ids.map(packAudit), unpack: listOf(unpackAudit) };
const GROUPS: Field = { name: 'groupIds', pack: (ids: string[]) => ids.map(packId), unpack: listOf(unpackId) };
const FEDERATED = [GROUPS, id('providerId'), text('protocolId')];
const START = [id('userId'), METHODS_FIELD];
const END = [EXPIRES, AUDITS];

/** By version. */
const LAYOUTS: readonly (readonly Field[])[] = [
  [...START, ...END],
  [...START, bare('domainId'), ...END],
  [...START, id('projectId'), ...END],
  [...START, id('projectId'), ...END, bare('trustId')],
  [...START, ...FEDERATED, ...END],
  [...START, id('projectId'), ...FEDERATED, ...END],
  [...START, id('domainId'), ...FEDERATED, ...END],
  [...START, id('projectId'), id('accessTokenId'), ...END],
  [...START, text('system'), ...END],
  [...START, id('projectId'), ...END, id('appCredId')],
];

export function payloadVersion(payload: TokenPayload): number {
  if (payload.providerId !== undefined)
    return payload.projectId !== undefined ? 5 : payload.domainId !== undefined ? 6 : 4;
  if (payload.accessTokenId !== undefined) return 7;
  if (payload.appCredId !== undefined) return 9;
  if (payload.trustId !== undefined) return 3;
  if (payload.projectId !== undefined) return 2;
  if (payload.domainId !== undefined) return 1;
  return payload.system === undefined ? 0 : 8;
}

export function encodePayload(payload: TokenPayload): Buffer {
  const version = payloadVersion(payload);
  const fields = LAYOUTS[version] as readonly Field[];
  return packValue([version, ...fields.map(({ name, pack }) => pack(payload[name] as never))]);
}

/** Fault IdentityBadToken for anything that is none of the versions above. */
export function decodePayload(bytes: Uint8Array): TokenPayload {
  const values = decodeArray(bytes);
  const fields = LAYOUTS[values[0] as number];
  if (fields === undefined || values.length !== fields.length + 1) throw malformed();
  const payload: Record<string, unknown> = {};
  fields.forEach(({ name, unpack }, index) => {
    payload[name] = unpack(values[index + 1]);
  });
  return payload as unknown as TokenPayload;
}

function decodeArray(bytes: Uint8Array): unknown[] {
  try {
    const values = decode(bytes);
    if (Array.isArray(values)) return values;
  } catch {
    // Falls through: not msgpack at all.
  }
  throw malformed();
}

function malformed(): Fault {
  return new Fault(identityFaults.badToken, {}, 'not a payload of a known version');
}
