/**
 * Signing keys of Signature Version 4: derived by four HMACs from a secret, a day and a region, and kept, because a client
 * signs a whole day with one. HMAC-SHA256 is two one-shot hashes over prepared pads: half the cost of `createHmac`.
 */
import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import { assert } from '../../fabric/assert.ts';

/** Every string that is signed (scope, dates and hex digests) is far below this. */
const MESSAGE_BYTES_MAX = 1024;
const KEYS_MAX = 1024;
const BLOCK_BYTES = 64;
const HEX_LENGTH = 64;

export class SigningKey {
  readonly #inner = Buffer.alloc(BLOCK_BYTES + MESSAGE_BYTES_MAX, 0x36);
  readonly #outer = Buffer.alloc(BLOCK_BYTES + 32, 0x5c);

  constructor(key: Uint8Array) {
    assert(key.length <= BLOCK_BYTES, 'a signing key fits a hash block');
    for (let i = 0; i < key.length; i++) {
      this.#inner[i] = key[i]! ^ 0x36;
      this.#outer[i] = key[i]! ^ 0x5c;
    }
  }

  /** Hex HMAC-SHA256 of a byte string (latin1). */
  sign(message: string): string {
    assert(message.length <= MESSAGE_BYTES_MAX, 'message to sign too long');
    const length = this.#inner.write(message, BLOCK_BYTES, 'latin1');
    this.#outer.write(hash('sha256', this.#inner.subarray(0, BLOCK_BYTES + length), 'hex'), BLOCK_BYTES, 'hex');
    return hash('sha256', this.#outer, 'hex');
  }
}

/** Bounded; the oldest goes first. Only existing access keys and plausible days get here, so a stranger cannot fill it. */
export class SigningKeys {
  readonly #keys = new Map<string, { secret: string; key: SigningKey }>();

  /** `scope`: `20130524/us-east-1/s3/aws4_request`, its parts already checked. */
  get(accessKeyId: string, secret: string, scope: string): SigningKey {
    const name = `${accessKeyId}/${scope}`;
    const known = this.#keys.get(name);
    if (known !== undefined && known.secret === secret) return known.key;
    const key = new SigningKey(deriveKey(secret, scope));
    this.#keys.delete(name);
    if (this.#keys.size >= KEYS_MAX) this.#keys.delete(this.#keys.keys().next().value as string);
    this.#keys.set(name, { secret, key });
    return key;
  }
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html */
export function deriveKey(secret: string, scope: string): Buffer {
  let key: Buffer = Buffer.from(`AWS4${secret}`, 'utf8');
  for (const part of scope.split('/')) key = createHmac('sha256', key).update(part).digest();
  return key;
}

const left = Buffer.alloc(HEX_LENGTH);
const right = Buffer.alloc(HEX_LENGTH);

/** In constant time for two signatures of 64 characters. */
export function sameSignature(a: string, b: string): boolean {
  if (a.length !== HEX_LENGTH || b.length !== HEX_LENGTH) return false;
  left.write(a, 0, 'latin1');
  right.write(b, 0, 'latin1');
  return timingSafeEqual(left, right);
}
