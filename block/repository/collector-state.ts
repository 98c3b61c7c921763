/** The collector's durable state of one lineage, and the condemned set that it names. Changed by compare-and-swap alone. */
import { Fault, isFault } from '../../fabric/errors.ts';
import { decodeCondemned } from './condemned-format.ts';
import { repositoryFaults } from './faults.ts';
import { FingerprintSet } from './fingerprint-set.ts';
import { gcStateName } from './names.ts';
import type { ObjectClient } from './object-client.ts';
import { decodeRecord, encodeRecord } from './record-format.ts';
import type { CollectorRecord } from './records.ts';

export interface CollectorState {
  readonly record: CollectorRecord;
  /** Undefined before the first write. */
  readonly etag: string | undefined;
}

const NEW_STATE: CollectorRecord = { revision: 0, ownerEpoch: 0, round: 0, known: [], watched: {} };

export async function readCollectorState(client: ObjectClient, lineage: string): Promise<CollectorState> {
  try {
    const { body, etag } = await client.get(gcStateName(lineage));
    return { record: decodeRecord(body, 'collector').value, etag };
  } catch (error) {
    if (isFault(error, repositoryFaults.noSuchObject)) return { record: NEW_STATE, etag: undefined };
    throw error;
  }
}

/** Fault StoredObjectChanged when somebody else was faster. The revision is set here, so that no two states are alike. */
export async function writeCollectorState(
  client: ObjectClient,
  lineage: string,
  { etag, record }: CollectorState,
  next: Omit<CollectorRecord, 'revision'>,
): Promise<CollectorState> {
  const written: CollectorRecord = { ...next, revision: record.revision + 1 };
  const body = encodeRecord('collector', written);
  const condition = etag === undefined ? 'absent' : { etag };
  return { record: written, etag: (await client.put(gcStateName(lineage), body, condition)).etag };
}

/** Reads of a state whose set went while it was read, before that is a fault. */
const READS_MAX = 8;

/** The newest round, and what an upload that begins now must not refer to. */
export async function readCondemned(
  client: ObjectClient,
  lineage: string,
): Promise<{ readonly round: number; readonly set: FingerprintSet }> {
  for (let attempt = 0; attempt < READS_MAX; attempt++) {
    const { record, etag } = await readCollectorState(client, lineage);
    const set = await readSet(client, record);
    if (set !== undefined) return { round: record.round, set };
    // Parts go only after the state that named them.
    if ((await readCollectorState(client, lineage)).etag === etag) break;
  }
  throw new Fault(repositoryFaults.corrupt, { reason: 'condemned: a part is missing', lineage });
}

async function readSet(client: ObjectClient, { condemned }: CollectorRecord): Promise<FingerprintSet | undefined> {
  const set = new FingerprintSet();
  for (const part of condemned?.parts ?? []) {
    try {
      for (const each of decodeCondemned((await client.get(part)).body)) set.add(each.kind, each);
    } catch (error) {
      if (isFault(error, repositoryFaults.noSuchObject)) return undefined;
      throw error;
    }
  }
  return set;
}
