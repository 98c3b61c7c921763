/**
 * The folder of Fernet keys, laid out as Keystone's: files named by numbers, 0 is staged (the next primary, already read by
 * everyone), the highest is the primary (makes tokens), those between only read older tokens. Owns reading, the first pair
 * and rotation; a crash at any point leaves a folder that reads all tokens it read before. Never shows a key to anyone.
 */

import { type Disk, diskFaults } from '../../fabric/disk.ts';
import { Fault, isFault } from '../../fabric/errors.ts';
import type { Random } from '../../fabric/random.ts';
import { identityFaults } from './faults.ts';
import { type FernetKey, formatFernetKey, parseFernetKey } from './fernet-format.ts';

const FILE_MODE = 0o600;
const KEY_FILE = /^(?:0|[1-9]\d{0,14})$/;
/** Staged, primary and one secondary: what Keystone ships with. */
export const ACTIVE_KEYS_MAX_DEFAULT = 3;

export interface KeyWorld {
  readonly disk: Disk;
  readonly random: Random;
}

export interface Rotation {
  readonly primary: number;
  readonly purged: readonly number[];
  /** What is left, staged included. */
  readonly active: readonly number[];
}

/** Primary first, then down to the staged one. Fault IdentityBadKey when there is none or one cannot be read. */
export async function loadKeys(disk: Disk, directory: string): Promise<FernetKey[]> {
  const numbers = await keyNumbers(disk, directory);
  const keys: FernetKey[] = [];
  for (const number of numbers.reverse()) {
    const text = await readKey(disk, directory, number);
    if (text !== undefined) keys.push(parseFernetKey(text));
  }
  if (keys.length === 0) throw new Fault(identityFaults.badKey, { directory }, `no keys in ${directory}`);
  return keys;
}

/** A staged and a primary key where there are none; otherwise nothing is changed. */
export async function ensureKeys({ disk, random }: KeyWorld, directory: string): Promise<void> {
  await disk.makeDirectory(directory);
  const numbers = await keyNumbers(disk, directory);
  if (!numbers.some((number) => number > 0)) await writeKey({ disk, random }, directory, 1);
  if (!numbers.includes(0)) await writeKey({ disk, random }, directory, 0);
}

/** The staged key becomes the primary, a new one is staged, the oldest beyond `activeKeysMax` (at least 2) go. */
export async function rotateKeys(
  { disk, random }: KeyWorld,
  directory: string,
  activeKeysMax: number = ACTIVE_KEYS_MAX_DEFAULT,
): Promise<Rotation> {
  if (!(activeKeysMax >= 2))
    throw new Fault(identityFaults.badKey, { activeKeysMax }, 'there are at least 2 active keys: staged and primary');
  await ensureKeys({ disk, random }, directory);
  const before = await keyNumbers(disk, directory);
  const staged = await readKey(disk, directory, 0);
  const highest = before.at(-1) as number;
  // A crash between the two writes below leaves the staged key as the primary too: then only the second one is missing.
  const half = staged === (await readKey(disk, directory, highest));
  const primary = half ? highest : highest + 1;
  if (!half) await disk.replaceFile(`${directory}/${primary}`, Buffer.from(staged as string), FILE_MODE);
  await writeKey({ disk, random }, directory, 0);
  const numbers = await keyNumbers(disk, directory);
  const purged = numbers.filter((number) => number > 0).slice(0, Math.max(0, numbers.length - activeKeysMax));
  for (const number of purged) await disk.remove(`${directory}/${number}`);
  return { primary, purged, active: await keyNumbers(disk, directory) };
}

/** Ascending. */
async function keyNumbers(disk: Disk, directory: string): Promise<number[]> {
  const names = await disk.list(directory);
  return names
    .filter((name) => KEY_FILE.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/** Undefined for one that a rotation took away meanwhile, and for an empty file, which Keystone leaves out as well. */
async function readKey(disk: Disk, directory: string, number: number): Promise<string | undefined> {
  try {
    const text = (await disk.readFile(`${directory}/${number}`)).toString('latin1').trim();
    return text === '' ? undefined : text;
  } catch (error) {
    if (isFault(error, diskFaults.notFound)) return undefined;
    throw error;
  }
}

function writeKey({ disk, random }: KeyWorld, directory: string, number: number): Promise<void> {
  return disk.replaceFile(`${directory}/${number}`, Buffer.from(formatFernetKey(random.bytes(32))), FILE_MODE);
}
