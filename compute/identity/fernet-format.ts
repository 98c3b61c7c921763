/**
 * The Fernet envelope (github.com/fernet/spec): authenticated encryption of a token's payload, and the key it is made with.
 * Owns bytes and nothing else: which key is current and what a payload means are others' business. Never logs a key.
 *
 *   base64url of
 *   +------+-----------------+---------+----------------------------+-------------------------+
 *   | 0x80 | issued at, s    | IV      | AES-128-CBC, PKCS #7 padded | HMAC-SHA256 of all      |
 *   | u8   | u64 big-endian  | 16      | multiple of 16              | before it, 32           |
 *   +------+-----------------+---------+----------------------------+-------------------------+
 *   key: base64url of 16 bytes for the HMAC, then 16 bytes for the cipher
 *
 * The version byte is 0x80, the checksum is the HMAC. Keystone strips the `=` at the end, and so do we.
 */
import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto';
import { Fault } from '../../fabric/errors.ts';
import { identityFaults } from './faults.ts';

const VERSION = 0x80;
const HEAD_BYTES = 1 + 8 + 16;
const MAC_BYTES = 32;
const BLOCK_BYTES = 16;
const KEY_BYTES = 32;
/** A token is a header value; Keystone's own bound for one is 255 characters, federated ones reach some thousands. */
export const TOKEN_CHARS_MAX = 8192;

export interface FernetKey {
  readonly signing: Buffer;
  readonly encryption: Buffer;
}

export interface Sealed {
  readonly payload: Buffer;
  /** Unix seconds, as the maker's clock had them. */
  readonly issuedAtS: number;
}

/** The key of 44 characters as it stands in a key file. Fault BadKey. */
export function parseFernetKey(text: string): FernetKey {
  const bytes = Buffer.from(text.trim(), 'base64url');
  if (bytes.length !== KEY_BYTES) throw new Fault(identityFaults.badKey, {}, 'a Fernet key is 32 bytes as base64url');
  return { signing: bytes.subarray(0, 16), encryption: bytes.subarray(16) };
}

/** As Keystone writes it: base64url with padding. */
export function formatFernetKey(bytes: Uint8Array): string {
  return `${Buffer.from(bytes).toString('base64url')}=`;
}

/** `iv` is 16 unpredictable bytes, never used twice with a key. */
export function seal(key: FernetKey, sealed: Sealed, iv: Uint8Array): string {
  const head = Buffer.alloc(HEAD_BYTES);
  head[0] = VERSION;
  head.writeBigUInt64BE(BigInt(sealed.issuedAtS), 1);
  head.set(iv, 9);
  const cipher = createCipheriv('aes-128-cbc', key.encryption, iv);
  const signed = Buffer.concat([head, cipher.update(sealed.payload), cipher.final()]);
  const mac = createHmac('sha256', key.signing).update(signed).digest();
  return Buffer.concat([signed, mac]).toString('base64url');
}

/** Undefined for whatever was not made with one of the keys. Keys are tried in their order. */
export function open(keys: readonly FernetKey[], token: string): Sealed | undefined {
  if (token.length > TOKEN_CHARS_MAX) return undefined;
  const bytes = Buffer.from(token, 'base64url');
  const cipherBytes = bytes.length - HEAD_BYTES - MAC_BYTES;
  if (bytes[0] !== VERSION || cipherBytes < BLOCK_BYTES || cipherBytes % BLOCK_BYTES !== 0) return undefined;
  const signed = bytes.subarray(0, bytes.length - MAC_BYTES);
  const mac = bytes.subarray(bytes.length - MAC_BYTES);
  const key = keys.find(({ signing }) => timingSafeEqual(createHmac('sha256', signing).update(signed).digest(), mac));
  if (key === undefined) return undefined;
  const decipher = createDecipheriv('aes-128-cbc', key.encryption, bytes.subarray(9, HEAD_BYTES));
  const cipherText = bytes.subarray(HEAD_BYTES, HEAD_BYTES + cipherBytes);
  try {
    const payload = Buffer.concat([decipher.update(cipherText), decipher.final()]);
    return { payload, issuedAtS: Number(bytes.readBigUInt64BE(1)) };
  } catch {
    // A right HMAC over wrong padding: made with our key by something that is not Fernet.
    return undefined;
  }
}
