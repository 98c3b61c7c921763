/** What the store in memory keeps, and how the contract shows it. */
import type { ContainerRecord } from '../account-container/contract.ts';
import type { Stamp } from '../fabric/stamp.ts';
import type {
  AccountInfo,
  ContainerInfo,
  ContainerRef,
  MetadataChange,
  ObjectEntry,
  ObjectInfo,
  PartInfo,
  Tags,
  UploadInfo,
} from '../proxy/object/contract.ts';
import { LINK_HEADER, listedLink } from '../proxy/object/links.ts';
import { applyChange } from '../proxy/object/metadata.ts';

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
  /** By DELETE, after which nothing is found in it. */
  deletedAtMs?: number;
}

/** How long a deleted account stays so. */
export const REAPED_AFTER_MS = 300;

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

/** As listings show it. */
export function objectEntry({ account, objects }: StoredContainer, object: string): ObjectEntry {
  const { name, sizeBytes, etag, contentType, stamp, headers, acl, checksums, checksumType } =
    objects.get(object)!.info;
  const storageClass = headers['x-amz-storage-class'];
  const owner = acl === undefined || acl.owner === account ? {} : { owner: acl.owner };
  const [sum] = Object.keys(checksums);
  const summed = sum === undefined ? owner : { sum, sumType: checksumType, ...owner };
  const about = storageClass ? { class: storageClass, ...summed } : summed;
  const extra = headers[LINK_HEADER] ? { link: listedLink(account, headers) } : about;
  return { name, sizeBytes, etag, contentType, stamp, extra };
}

export function newContainer(
  ref: ContainerRef,
  options: { policy?: number; metadata?: MetadataChange; s3?: Record<string, unknown> },
  stamp: Stamp,
): StoredContainer {
  return {
    ...ref,
    policy: options.policy ?? 0,
    metadata: applyChange({}, options.metadata ?? {}),
    s3: { ...options.s3 },
    createdStamp: stamp,
    modifiedStamp: stamp,
    objects: new Map(),
    uploads: new Map(),
    gone: new Map(),
  };
}
