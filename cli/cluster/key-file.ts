/**
 * DIR/master-keys.json (mode 0600): the master keys that wrap data keys (docs/adr/0015-encryption.md). Made on the first
 * start; changed by `needletail keys`. What it lacks is lost with everything encrypted under it: back it up apart from the
 * disks. Never logs a key, never drops one.
 *
 *     { "format": 1, "keys": { "s3": { "1": "32 bytes, base64" }, "aws/s3": { "1": "…", "2": "…" } } }
 */
import path from 'node:path';
import type { Disk } from '../../fabric/disk.ts';
import { Fault } from '../../fabric/errors.ts';
import type { Random } from '../../fabric/random.ts';
import { DEFAULT_KMS_KEY, type MasterKey, STORE_KEY } from '../../proxy/object/key-manager.ts';
import { readIfThere } from './identity.ts';

const FORMAT = 1;
const KEY_BYTES = 32;
const NAME = /^[A-Za-z0-9/_-]{1,128}$/;

export type MasterKeys = Map<string, Map<number, Uint8Array>>;

export const keyFileOf = (directory: string): string => path.join(directory, 'master-keys.json');

/** With the keys that every cluster has; undefined when there is no file. Fault BadKeyFile. */
export function readKeyFile(directory: string): MasterKeys | undefined {
  const file = keyFileOf(directory);
  const text = readIfThere(file);
  return text === undefined ? undefined : parse(text, file);
}

export async function openKeyFile(
  directory: string,
  disk: Disk,
  random: Random,
): Promise<ReadonlyMap<string, MasterKey>> {
  const known = readKeyFile(directory);
  if (known) return known;
  const keys: MasterKeys = new Map();
  for (const name of [STORE_KEY, DEFAULT_KMS_KEY]) addVersion(keys, name, random);
  await writeKeyFile(directory, disk, keys);
  return keys;
}

/** A new key, or a new version of one. Returns the version. Fault BadKeyName. */
export function addVersion(keys: MasterKeys, name: string, random: Random): number {
  if (!NAME.test(name)) throw new Fault('BadKeyName', { name }, `a key cannot be called "${name}"`);
  const versions = keys.get(name) ?? new Map<number, Uint8Array>();
  const version = Math.max(0, ...versions.keys()) + 1;
  versions.set(version, Buffer.from(random.bytes(KEY_BYTES)));
  keys.set(name, versions);
  return version;
}

export async function writeKeyFile(directory: string, disk: Disk, keys: MasterKeys): Promise<void> {
  const all: Record<string, Record<string, string>> = {};
  for (const [name, versions] of keys) {
    all[name] = Object.fromEntries([...versions].map(([at, key]) => [at, Buffer.from(key).toString('base64')]));
  }
  const text = `${JSON.stringify({ format: FORMAT, keys: all }, null, 2)}\n`;
  await disk.replaceFile(keyFileOf(directory), Buffer.from(text), 0o600);
}

function parse(text: string, file: string): MasterKeys {
  // Not the parser's own message: it shows a piece of the file.
  const bad = (): Fault => new Fault('BadKeyFile', { file }, `${file} is not a key file of format ${FORMAT}`);
  let contents: { format?: unknown; keys?: Record<string, Record<string, string>> };
  try {
    contents = JSON.parse(text);
  } catch {
    throw bad();
  }
  if (contents.format !== FORMAT || typeof contents.keys !== 'object') throw bad();
  const keys: MasterKeys = new Map();
  for (const [name, versions] of Object.entries(contents.keys)) {
    const read = new Map<number, Uint8Array>();
    for (const [version, base64] of Object.entries(versions)) {
      const key = Buffer.from(String(base64), 'base64');
      if (!/^[1-9]\d{0,8}$/.test(version) || key.length !== KEY_BYTES) throw bad();
      read.set(Number(version), key);
    }
    if (!NAME.test(name) || read.size === 0) throw bad();
    keys.set(name, read);
  }
  return keys;
}
