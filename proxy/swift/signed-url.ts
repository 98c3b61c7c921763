/**
 * Keys and signatures of links and forms that act for an account or container: HMACs in hex, whose length tells the
 * digest, or `digest:base64`. Compared in constant time; knows nothing of what is signed.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { SwiftCall } from './call.ts';
import { URL_DIGESTS, type UrlDigest } from './url-digests.ts';

const DIGEST_BYTES: Readonly<Record<UrlDigest, number>> = { sha1: 20, sha256: 32, sha512: 64 };

export interface Signature {
  readonly algorithm: UrlDigest;
  readonly bytes: Buffer;
}

/** undefined for what is no signature. */
export function readSignature(text: string): Signature | undefined {
  const colon = text.indexOf(':');
  const algorithm = URL_DIGESTS.find((name) => {
    return colon < 0 ? text.length === DIGEST_BYTES[name] * 2 : text.slice(0, colon) === name;
  });
  if (algorithm === undefined) return undefined;
  const encoded = text.slice(colon + 1);
  if (colon < 0) return /^[0-9a-f]+$/.test(encoded) ? { algorithm, bytes: Buffer.from(encoded, 'hex') } : undefined;
  // A `+` of a query that was not escaped has become a blank.
  if (!/^([A-Za-z0-9+/ ]+|[A-Za-z0-9_-]+)={0,2}$/.test(encoded)) return undefined;
  return { algorithm, bytes: Buffer.from(encoded.replaceAll(' ', '+'), 'base64') };
}

export interface SigningKey {
  /** Latin1, as it was sent. */
  readonly secret: string;
  readonly scope: 'account' | 'container';
}

/** Up to two of the account and two of the container. */
export async function findKeys(call: SwiftCall): Promise<SigningKey[]> {
  const { account, container } = await call.world.store.peek(call.containerRef);
  const keysOf = (metadata: Readonly<Record<string, string>>, scope: SigningKey['scope']): SigningKey[] =>
    ['', '-2'].flatMap((end) => {
      const secret = metadata[`x-${scope}-meta-temp-url-key${end}`];
      return secret ? [{ secret, scope }] : [];
    });
  return [...keysOf(account, 'account'), ...keysOf(container ?? {}, 'container')];
}

/** `text`: hashed as UTF-8. */
export function isSignedBy({ algorithm, bytes }: Signature, secret: string, text: string): boolean {
  const expected = createHmac(algorithm, Buffer.from(secret, 'latin1')).update(text, 'utf8').digest();
  return expected.length === bytes.length && timingSafeEqual(expected, bytes);
}
