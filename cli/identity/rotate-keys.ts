// Rotates a folder of Fernet keys and says what it did; never prints a key. The folder must be there, so that a wrong path
// does not become a second set of keys that nobody uses.
import process from 'node:process';
import { rotateKeys } from '../../compute/identity/key-repository.ts';
import { systemRandom } from '../../fabric/random.ts';
import { systemDisk } from '../../fabric/system-disk.ts';

export interface RotateOptions {
  readonly maxActiveKeys: number;
  readonly json?: boolean;
}

export async function rotate(directory: string, { maxActiveKeys, json = false }: RotateOptions): Promise<void> {
  const names = await systemDisk.list(directory);
  if (!names.includes('0')) throw new Error(`${directory} holds no keys`);
  const world = { disk: systemDisk, random: systemRandom };
  const { primary, purged, active } = await rotateKeys(world, directory, maxActiveKeys);
  const dropped = purged.length === 0 ? 'none dropped' : `dropped ${purged.join(', ')}`;
  const text = `primary ${primary}; active ${active.join(', ')}; ${dropped}`;
  process.stdout.write(`${json ? JSON.stringify({ primary, active, purged }) : text}\n`);
}
