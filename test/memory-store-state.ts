/** What the store in memory keeps, and how the contract shows it. */
import type { ContainerRecord } from '../account-container/contract.ts';
import type { Stamp } from '../fabric/stamp.ts';
import type { AccountInfo, ContainerInfo, ObjectInfo, PartInfo, Tags, UploadInfo } from '../proxy/object/contract.ts';

export interface StoredObject {
  info: ObjectInfo;
  bytes: Buffer;
}

export interface Upload {
  readonly info: UploadInfo;
  readonly acl: ObjectInfo['acl'];
  readonly tags: Tags | undefined;
  readonly parts: Map<number, { info: PartInfo; bytes: Buffer }>;
  completed: ObjectInfo | undefined;
}

export interface StoredContainer {
  readonly account: string;
  readonly container: string;
  readonly policy: number;
  metadata: Record<string, string>;
  s3: Record<string, unknown>;
  readonly createdStamp: Stamp;
  modifiedStamp: Stamp;
  readonly objects: Map<string, StoredObject>;
  /** When what is no longer there was deleted. */
  readonly gone: Map<string, Stamp>;
  readonly uploads: Map<string, Upload>;
}

export interface StoredAccount {
  metadata: Record<string, string>;
  readonly createdStamp: Stamp;
  readonly containers: Map<string, StoredContainer>;
}

export function recordOf(container: StoredContainer): ContainerRecord {
  return { ...container, name: container.container };
}

export function accountInfo(stored: StoredAccount): AccountInfo {
  const containers = [...stored.containers.values()].map(containerInfo);
  return {
    metadata: stored.metadata,
    createdStamp: stored.createdStamp,
    containerCount: containers.length,
    objectCount: containers.reduce((sum, info) => sum + info.objectCount, 0),
    bytesUsed: containers.reduce((sum, info) => sum + info.bytesUsed, 0),
  };
}

export function containerInfo(stored: StoredContainer): ContainerInfo {
  const { account, container, policy, metadata, s3, createdStamp, modifiedStamp } = stored;
  let bytesUsed = 0;
  for (const object of stored.objects.values()) bytesUsed += object.bytes.length;
  const totals = { objectCount: stored.objects.size, bytesUsed };
  return { account, container, policy, metadata, s3, createdStamp, modifiedStamp, ...totals };
}
