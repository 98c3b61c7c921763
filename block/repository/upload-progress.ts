/** How far an upload came, for the next uploader. An aid alone: losing it costs reading again, believing a wrong one is ruled out
 * by the name of the point in time and by the session, whose loss takes the id with it. */
import { isFault } from '../../fabric/errors.ts';
import type { SnapshotRef } from './contract.ts';
import { repositoryFaults } from './faults.ts';
import { progressName } from './names.ts';
import type { ObjectClient } from './object-client.ts';
import { decodeRecord, encodeRecord } from './record-format.ts';
import type { ProgressRecord } from './records.ts';

export async function saveProgress(client: ObjectClient, ref: SnapshotRef, progress: ProgressRecord): Promise<void> {
  await client.put(progressName(ref.lineage, ref.snapshot), encodeRecord('progress', progress));
}

export async function readProgress(
  client: ObjectClient,
  ref: SnapshotRef,
  { session, pointInTime }: { readonly session: string; readonly pointInTime: string | undefined },
): Promise<ProgressRecord | undefined> {
  try {
    const { body } = await client.get(progressName(ref.lineage, ref.snapshot));
    const { value } = decodeRecord(body, 'progress');
    return value.session === session && value.pointInTime === pointInTime ? value : undefined;
  } catch (error) {
    if (isFault(error, repositoryFaults.noSuchObject) || isFault(error, repositoryFaults.corrupt)) return undefined;
    throw error;
  }
}
