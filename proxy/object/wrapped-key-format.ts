/**
 * A data key as an object's record keeps it: encrypted under a master key, bound to what it is for (docs/formats/sealed.md).
 * Pure: keys in, bytes out; which master key, and which salt, is the key manager's affair.
 *
 *      0    1                    5           21         25                      57       73
 *     +----+--------------------+-----------+----------+-----------------------+--------+
 *     | v2 | master version u32 | salt 16   | number   | data key, encrypted   | tag 16 |
 *     +----+--------------------+-----------+----------+-----------------------+--------+
 *
 *     key      32 bytes of HKDF-SHA256(master key, salt, INFO): the same for all that one manager wraps under a salt
 *     nonce    0 0 0 0 0 0 0 0 | number, u32: counted up under a salt that was drawn at random for this manager alone
 *
 * Version 1, still read: salt 32, no number; key and nonce are 44 bytes of HKDF-SHA256(master key, salt, INFO_1). AES-256-GCM
 * both, with the context as associated data. Integers are big-endian.
 */
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import { DATA_KEY_BYTES } from './sealed-format.ts';

const WRAPPED_FORMAT = 2;
export const WRAP_SALT_BYTES = 16;
const SALT_AT = 5;
const NUMBER_AT = SALT_AT + WRAP_SALT_BYTES;
const KEY_AT = NUMBER_AT + 4;
const TAG_AT = KEY_AT + DATA_KEY_BYTES;
const TAG_BYTES = 16;
const WRAPPED_BYTES = TAG_AT + TAG_BYTES;
const INFO = 'needletail wrapped data key, version 2';
const NONCE_BYTES = 12;
const CIPHER = 'aes-256-gcm';

const OLD_FORMAT = 1;
const OLD_SALT_BYTES = 32;
const OLD_KEY_AT = SALT_AT + OLD_SALT_BYTES;
const OLD_TAG_AT = OLD_KEY_AT + DATA_KEY_BYTES;
const OLD_WRAPPED_BYTES = OLD_TAG_AT + TAG_BYTES;
const OLD_INFO = 'needletail wrapped data key, version 1';

/** What encrypts data keys. */
export interface WrappingKey {
  readonly masterVersion: number;
  readonly salt: Uint8Array;
  readonly key: Buffer;
}

export function deriveWrapping(master: Uint8Array, salt: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', master, salt, INFO, DATA_KEY_BYTES));
}

/** `number`, of 32 bits, is never used twice under a salt. */
export function wrapKey(by: WrappingKey, number: number, plain: Uint8Array, context: string): Buffer {
  const wrapped = Buffer.allocUnsafe(WRAPPED_BYTES);
  wrapped[0] = WRAPPED_FORMAT;
  wrapped.writeUInt32BE(by.masterVersion, 1);
  wrapped.set(by.salt, SALT_AT);
  wrapped.writeUInt32BE(number, NUMBER_AT);
  const cipher = createCipheriv(CIPHER, by.key, nonceOf(wrapped)).setAAD(Buffer.from(context));
  wrapped.set(cipher.update(plain), KEY_AT);
  cipher.final();
  wrapped.set(cipher.getAuthTag(), TAG_AT);
  return wrapped;
}

function nonceOf(wrapped: Buffer): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  wrapped.copy(nonce, NONCE_BYTES - 4, NUMBER_AT, KEY_AT);
  return nonce;
}

/** Version of the master key, and the salt where one key opens all that was wrapped under it. Undefined: not a wrapped key. */
export function readWrapped(
  wrapped: Buffer,
): { readonly masterVersion: number; readonly salt: Buffer | undefined } | undefined {
  const isOld = wrapped[0] === OLD_FORMAT && wrapped.length === OLD_WRAPPED_BYTES;
  if (!isOld && (wrapped[0] !== WRAPPED_FORMAT || wrapped.length !== WRAPPED_BYTES)) return undefined;
  return { masterVersion: wrapped.readUInt32BE(1), salt: isOld ? undefined : wrapped.subarray(SALT_AT, NUMBER_AT) };
}

/** `key`: of `deriveWrapping`. Undefined when it was not wrapped by this key and for this context. */
export function unwrapKey(wrapped: Buffer, key: Uint8Array, context: string): Buffer | undefined {
  return open(wrapped.subarray(KEY_AT), { key, nonce: nonceOf(wrapped), context });
}

/** Of version 1. */
export function unwrapOldKey(wrapped: Buffer, master: Uint8Array, context: string): Buffer | undefined {
  const salt = wrapped.subarray(SALT_AT, OLD_KEY_AT);
  const bytes = Buffer.from(hkdfSync('sha256', master, salt, OLD_INFO, DATA_KEY_BYTES + NONCE_BYTES));
  const [key, nonce] = [bytes.subarray(0, DATA_KEY_BYTES), bytes.subarray(DATA_KEY_BYTES)];
  return open(wrapped.subarray(OLD_KEY_AT), { key, nonce, context });
}

interface Opening {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly context: string;
}

/** `sealed`: the data key and its tag. */
function open(sealed: Buffer, { key, nonce, context }: Opening): Buffer | undefined {
  const decipher = createDecipheriv(CIPHER, key, nonce).setAAD(Buffer.from(context));
  decipher.setAuthTag(sealed.subarray(DATA_KEY_BYTES));
  const plain = decipher.update(sealed.subarray(0, DATA_KEY_BYTES));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return plain;
}
