/** Types of groups: who sees which, and what they ask for that no host can do. */
import type { ReadTx } from '../../../control/contract.ts';
import { type Asking, isAdmin } from '../api/shared.ts';
import { notFound } from '../refusals.ts';
import { type GroupTypeRow, groupTypes } from '../tables.ts';
import { isTrue } from './scheduler.ts';

/** By id or name. */
export async function findGroupType(tx: ReadTx, idOrName: string): Promise<GroupTypeRow | undefined> {
  return (await groupTypes.get(tx, idOrName)) ?? (await groupTypes.by(tx, 'name', idOrName))[0];
}

/** One that is not public is there for admins alone: Cinder has no way to give projects access to it. */
export async function getGroupType(tx: ReadTx, call: Asking, idOrName: string): Promise<GroupTypeRow> {
  const type = await findGroupType(tx, idOrName);
  if (type && (type.isPublic || isAdmin(call))) return type;
  throw notFound('Group type', idOrName.slice(0, 64));
}

/**
 * Specs that are promises. Volumes of a group have daemons of their own: nothing stops all of them at once, so a common moment can
 * be promised by no host; nor is anything replicated between hosts. All other specs are words, as in Cinder.
 */
const ONE_MOMENT = 'consistent_group_snapshot_enabled';
const REPLICATED = ['group_replication_enabled', 'consistent_group_replication_enabled'];

/** Which of them a type asks for. */
export function asksTooMuch({ specs }: GroupTypeRow): string | undefined {
  return [ONE_MOMENT, ...REPLICATED].find((key) => isTrue((specs[key] ?? '').replace('<is>', '').trim()));
}

export const asksForOneMoment = (type: GroupTypeRow): boolean => asksTooMuch(type) === ONE_MOMENT;
export const asksForReplication = (type: GroupTypeRow): boolean =>
  REPLICATED.some((key) => isTrue((type.specs[key] ?? '').replace('<is>', '').trim()));
