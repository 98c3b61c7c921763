/**
 * What a container holds as clients and quotas count it: objects are those of the current table; bytes are those of older
 * versions too, as Swift reports them (X-Container-Bytes-Used) and S3 bills them. Containers without versions pay nothing.
 * Never writes.
 */
import type { ContainerTotals } from '../../account-container/contract.ts';
import { type Key, TABLE } from '../../object-server/contract.ts';
import type { Cluster } from '../cluster.ts';
import { type ContainerState, rowPrefix } from './containers.ts';
import { readTotals } from './rows.ts';
import { versioningOf } from './version-format.ts';

export const versionsTable = ({ hash, incarnation }: ContainerState): Key =>
  rowPrefix(hash, incarnation, TABLE.versions);

export async function containerTotals(cluster: Cluster, container: ContainerState): Promise<ContainerTotals> {
  return withOlder(cluster, container, await readTotals(cluster, container.rowPrefix));
}

/** `totals`: of the current table. */
export async function withOlder(
  cluster: Cluster,
  container: ContainerState,
  totals: ContainerTotals,
): Promise<ContainerTotals> {
  if (versioningOf(container) === undefined) return totals;
  const older = await readTotals(cluster, versionsTable(container));
  return { ...totals, bytesUsed: totals.bytesUsed + older.bytesUsed };
}
