/**
 * How a stored secret looks, as text. Two kinds, told apart by the word after the first `$`:
 *
 *   $scrypt$ln=15,r=8,p=3$SALT$HASH     passwords: scrypt (RFC 7914), N = 2^ln; base64 without padding
 *   $sha256$SALT$HASH                   secrets this server drew at random (256 bits and more): SHA-256 of salt and secret
 *
 * The first is also how Keystone stores a password with scrypt, so a user table can be brought over. A format of a later
 * version gets another word. There is no checksum: a damaged one fits no password, and the row it stands in has its own.
 */
export interface ScryptCost {
  /** log2 of N; a hash takes 128 · r · N bytes of memory for its time. */
  readonly logN: number;
  readonly r: number;
  readonly p: number;
}

export type StoredSecret =
  | { readonly kind: 'scrypt'; readonly cost: ScryptCost; readonly salt: Buffer; readonly hash: Buffer }
  | { readonly kind: 'sha256'; readonly salt: Buffer; readonly hash: Buffer };

const SCRYPT = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([\w+/]+)\$([\w+/]+)$/;
const SHA256 = /^\$sha256\$([\w+/]+)\$([\w+/]+)$/;

export function formatSecret(secret: StoredSecret): string {
  const end = `${bare(secret.salt)}$${bare(secret.hash)}`;
  if (secret.kind === 'sha256') return `$sha256$${end}`;
  const { logN, r, p } = secret.cost;
  return `$scrypt$ln=${logN},r=${r},p=${p}$${end}`;
}

/** Undefined for a kind that is not known here. */
export function parseSecret(text: string): StoredSecret | undefined {
  const slow = SCRYPT.exec(text);
  if (slow) {
    const [, logN, r, p, salt = '', hash = ''] = slow;
    return {
      kind: 'scrypt',
      cost: { logN: Number(logN), r: Number(r), p: Number(p) },
      salt: bytes(salt),
      hash: bytes(hash),
    };
  }
  const [, salt, hash] = SHA256.exec(text) ?? [];
  return salt && hash ? { kind: 'sha256', salt: bytes(salt), hash: bytes(hash) } : undefined;
}

const bytes = (text: string): Buffer => Buffer.from(text, 'base64');
const bare = (buffer: Buffer): string => buffer.toString('base64').replace(/=+$/, '');
