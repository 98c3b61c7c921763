/** A container as the APIs see it. */
import type { ContainerTotals } from '../../account-container/contract.ts';
import type { ContainerState } from './containers.ts';
import type { ContainerInfo } from './contract.ts';

export function containerInfo({ record, incarnation }: ContainerState, totals: ContainerTotals): ContainerInfo {
  return {
    account: record.account,
    container: record.name,
    policy: record.policy,
    metadata: record.metadata,
    s3: record.s3 ?? {},
    objectCount: totals.objectCount,
    bytesUsed: totals.bytesUsed,
    createdStamp: incarnation,
    modifiedStamp: record.modifiedStamp || incarnation,
  };
}
