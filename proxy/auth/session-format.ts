/**
 * The token of temporary keys, which carries all there is to know of them: any proxy of the cluster can check it, and
 * nothing is stored. Access key id and secret follow from it, so that the three belong together.
 *
 *     base64( version | expires, Unix seconds u32 | nonce, 8 bytes | texts, deflated | HMAC-SHA256, 32 bytes )
 *     version        1, and 2 where IAM's roles or managed policies are meant: older proxies know no such token
 *     texts          [parent's access key id, session's name, role's name, policy or ''] as JSON; in version 2 the role's id
 *                    or '', and ARNs of policies, come after them
 *     HMAC           of all before it, then the parent's secret: new keys end all sessions of the old ones
 *     access key id  ASIA + 16 letters of HMAC-SHA256("id", the bytes before the HMAC)
 *     secret         40 characters of HMAC-SHA256("key", the same)
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';

const VERSION = 1;
const VERSION_MORE = 2;
const HEAD_BYTES = 5;
const NONCE_BYTES = 8;
const MAC_BYTES = 32;
const TEXTS_BYTES_MAX = 8192;
export const TOKEN_LENGTH_MAX = 6000;
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

export interface SessionTexts {
  /** Access key id of the keys that asked for it. */
  readonly parent: string;
  readonly name: string;
  readonly role: string;
  /** Of the session; '' for none. */
  readonly policy: string;
  /** Of the role that was assumed; absent where the session is of the parent's own rights. */
  readonly roleId?: string | undefined;
  /** Of managed policies that are the session's as well. */
  readonly arns?: readonly string[] | undefined;
}

export interface SessionClaim extends SessionTexts {
  readonly expiresMs: number;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Whether it was made here, when this is the parent's secret. */
  isSignedWith(parentSecret: string): boolean;
}

export interface NewSession extends SessionTexts {
  readonly expiresMs: number;
  readonly nonce: Uint8Array;
  readonly parentSecret: string;
}

export function encodeSession(secret: Uint8Array, session: NewSession): string {
  const { parent, name, role, policy, roleId = '', arns = [], expiresMs, nonce, parentSecret } = session;
  const isMore = roleId !== '' || arns.length > 0;
  const head = Buffer.alloc(HEAD_BYTES);
  head[0] = isMore ? VERSION_MORE : VERSION;
  head.writeUInt32BE(Math.ceil(expiresMs / 1000), 1);
  const parts = [parent, name, role, policy, ...(isMore ? [roleId, ...arns] : [])];
  const texts = deflateRawSync(Buffer.from(JSON.stringify(parts), 'utf8'));
  const body = Buffer.concat([head, nonce.subarray(0, NONCE_BYTES), texts]);
  return Buffer.concat([body, macOf(secret, body, parentSecret)]).toString('base64');
}

/** Undefined for what cannot be one. Nothing of it is true before `isSignedWith` says so. */
export function decodeSession(secret: Uint8Array, token: string): SessionClaim | undefined {
  if (token.length > TOKEN_LENGTH_MAX) return undefined;
  const bytes = Buffer.from(token, 'base64');
  const end = bytes.length - MAC_BYTES;
  const version = bytes[0];
  const isKnown = version === VERSION || version === VERSION_MORE;
  if (!isKnown || end <= HEAD_BYTES + NONCE_BYTES || bytes.toString('base64') !== token) return undefined;
  const body = bytes.subarray(0, end);
  const texts = readTexts(body.subarray(HEAD_BYTES + NONCE_BYTES), version === VERSION_MORE);
  if (texts === undefined) return undefined;
  const letters = derive(secret, 'id', body).subarray(0, 16);
  return {
    ...texts,
    expiresMs: body.readUInt32BE(1) * 1000,
    accessKeyId: `ASIA${[...letters].map((byte) => LETTERS[byte % 32]).join('')}`,
    secretAccessKey: derive(secret, 'key', body).toString('base64').slice(0, 40),
    isSignedWith: (parentSecret) => timingSafeEqual(bytes.subarray(end), macOf(secret, body, parentSecret)),
  };
}

function readTexts(deflated: Uint8Array, isMore: boolean): SessionTexts | undefined {
  try {
    const json: unknown = JSON.parse(inflateRawSync(deflated, { maxOutputLength: TEXTS_BYTES_MAX }).toString('utf8'));
    if (
      !Array.isArray(json) ||
      (isMore ? json.length < 5 : json.length !== 4) ||
      !json.every((each) => typeof each === 'string')
    )
      return undefined;
    const [parent, name, role, policy, roleId, ...arns] = json as [string, string, string, string, ...string[]];
    return { parent, name, role, policy, roleId: roleId || undefined, arns };
  } catch {
    return undefined;
  }
}

const macOf = (secret: Uint8Array, body: Uint8Array, parentSecret: string): Buffer =>
  createHmac('sha256', derive(secret, 'token', new Uint8Array()))
    .update(body)
    .update(parentSecret, 'utf8')
    .digest();

const derive = (secret: Uint8Array, what: string, body: Uint8Array): Buffer =>
  createHmac('sha256', secret).update(`sts ${what}\0`).update(body).digest();
