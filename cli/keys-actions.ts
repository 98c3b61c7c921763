/** What `needletail keys` does. Writes the key file as a whole; never prints a key. */
import process from 'node:process';
import { Fault } from '../fabric/errors.ts';
import { systemRandom } from '../fabric/random.ts';
import { systemDisk } from '../fabric/system-disk.ts';
import { addVersion, keyFileOf, type MasterKeys, readKeyFile, writeKeyFile } from './cluster/key-file.ts';

function load(directory: string): MasterKeys {
  const keys = readKeyFile(directory);
  if (keys) return keys;
  const file = keyFileOf(directory);
  throw new Fault('NoKeyFile', { file }, `${file} is not there: the first start makes it`);
}

export function list(directory: string): void {
  for (const [name, versions] of load(directory)) {
    process.stdout.write(`${name} ${[...versions.keys()].sort((a, b) => a - b).join(',')}\n`);
  }
}

export async function add(directory: string, name: string): Promise<void> {
  const keys = load(directory);
  if (keys.has(name)) throw new Fault('KeyExists', { name }, `there is a key "${name}": rotate it`);
  await change(directory, keys, name);
}

export async function rotate(directory: string, name: string): Promise<void> {
  const keys = load(directory);
  if (!keys.has(name)) throw new Fault('NoSuchKey', { name }, `there is no key "${name}"`);
  await change(directory, keys, name);
}

async function change(directory: string, keys: MasterKeys, name: string): Promise<void> {
  const version = addVersion(keys, name, systemRandom);
  await writeKeyFile(directory, systemDisk, keys);
  process.stdout.write(`${name} ${version}\n`);
}
