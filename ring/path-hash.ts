/**
 * The hash that places a name: MD5 of `PREFIX/account[/container[/object]]SUFFIX`, as Swift computes it. Prefix and
 * suffix are secrets of the cluster that never change once it holds data. Nothing else may derive a partition from a name.
 */
import { createHash, hash } from 'node:crypto';
import { assert } from '../fabric/assert.ts';

/** The cluster's `swift_hash_path_prefix` and `swift_hash_path_suffix`: bytes, either may be empty. */
export interface HashPathSecret {
  readonly prefix: Uint8Array;
  readonly suffix: Uint8Array;
}

/** An empty or missing container (or object) is left out, as in Swift. Returns 16 fresh bytes. */
export type PathHasher = (account: string, container?: string, object?: string) => Buffer;

/** Prepares the secret once; the hasher costs about 0.5 µs a name. */
export function createPathHasher(secret: HashPathSecret): PathHasher {
  const prefix = utf8OrUndefined(secret.prefix);
  const suffix = utf8OrUndefined(secret.suffix);
  // A secret that is not UTF-8 has no string form, so such (rare) clusters pay for a slower hash of bytes.
  if (prefix === undefined || suffix === undefined) return (...names) => digestBytes(secret, joinNames(...names));
  return (account, container, object) => digestString(prefix + joinNames(account, container, object) + suffix);
}

/** For one-off use; `createPathHasher` is faster for many names. */
export function hashPath(secret: HashPathSecret, account: string, container?: string, object?: string): Buffer {
  return createPathHasher(secret)(account, container, object);
}

function joinNames(account: string, container?: string, object?: string): string {
  if (object) {
    assert(Boolean(container), 'an object name needs a container name');
    return `/${account}/${container}/${object}`;
  }
  return container ? `/${account}/${container}` : `/${account}`;
}

/** `hash` to a 'binary' string and a copy loop take 0.57 µs where `hash` to a Buffer takes 0.97 µs (Node 20.20). */
function digestString(text: string): Buffer {
  const bytes = Buffer.allocUnsafe(16);
  const digest = hash('md5', text, 'binary');
  for (let i = 0; i < 16; i++) bytes[i] = digest.charCodeAt(i);
  return bytes;
}

function digestBytes(secret: HashPathSecret, path: string): Buffer {
  return createHash('md5').update(secret.prefix).update(path).update(secret.suffix).digest();
}

function utf8OrUndefined(bytes: Uint8Array): string | undefined {
  const text = Buffer.from(bytes).toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) ? text : undefined;
}
