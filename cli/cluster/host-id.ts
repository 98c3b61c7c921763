/** DIR/host-id: who this host is to controllers and collectors. Stable for the life of the data directory: volumes lie beside it. */
import path from 'node:path';
import { diskFaults } from '../../fabric/disk.ts';
import { isFault } from '../../fabric/errors.ts';
import { systemRandom } from '../../fabric/random.ts';
import { systemDisk } from '../../fabric/system-disk.ts';

export async function hostId(directory: string): Promise<string> {
  const file = path.join(directory, 'host-id');
  try {
    return (await systemDisk.readFile(file)).toString('utf8').trim();
  } catch (error) {
    // Another one would make strangers of the volumes: only where there never was one.
    if (!isFault(error, diskFaults.notFound)) throw error;
    const id = systemRandom.bytes(16).toString('hex');
    await systemDisk.replaceFile(file, Buffer.from(`${id}\n`));
    return id;
  }
}
