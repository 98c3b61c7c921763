/** A lineage: the volumes that share chunks, and the key that names them. Made with the first upload, never changed. */
import type { Clock } from '../../fabric/clock.ts';
import { Fault, isFault } from '../../fabric/errors.ts';
import type { Random } from '../../fabric/random.ts';
import { repositoryFaults } from './faults.ts';
import { checkId, lineageName } from './names.ts';
import type { ObjectClient } from './object-client.ts';
import { decodeRecord, encodeRecord } from './record-format.ts';
import { keyFor } from './seal.ts';

const KEY_BYTES = 32;

export interface Lineage {
  readonly id: string;
  readonly chunkKey: Buffer;
  readonly nodeKey: Buffer;
}

/** Fault NoSuchLineage. */
export async function readLineage(client: ObjectClient, id: string): Promise<Lineage> {
  checkId('lineage', id);
  try {
    const { body } = await client.get(lineageName(id));
    const key = Buffer.from(decodeRecord(body, 'lineage').value.key, 'hex');
    return { id, chunkKey: keyFor('chunk', key), nodeKey: keyFor('node', key) };
  } catch (error) {
    if (isFault(error, repositoryFaults.noSuchObject)) throw new Fault(repositoryFaults.noSuchLineage, { lineage: id });
    throw error;
  }
}

export async function readOrMakeLineage(
  { client, clock, random }: { client: ObjectClient; clock: Clock; random: Random },
  id: string,
): Promise<Lineage> {
  try {
    return await readLineage(client, id);
  } catch (error) {
    if (!isFault(error, repositoryFaults.noSuchLineage)) throw error;
  }
  const key = random.bytes(KEY_BYTES).toString('hex');
  try {
    await client.put(lineageName(id), encodeRecord('lineage', { key, createdMs: clock.nowMs() }), 'absent');
  } catch (error) {
    if (!isFault(error, repositoryFaults.preconditionFailed)) throw error;
  }
  return await readLineage(client, id);
}
