/**
 * Sub-resources that clients read as a matter of course and whose answer is known: there is no such configuration here.
 * Everything else, and every write to one of them, is 501: never accepted and ignored.
 */
import type { HttpResponse } from '../../fabric/http/contract.ts';
import { checkOwnAccount } from './acl.ts';
import { resolve, resolveObject, type S3Call, xmlAnswer } from './call.ts';
import { type S3Code, s3Fault } from './errors.ts';

/** Code of the answer «there is none», or an empty document. */
type Absent = { readonly code: S3Code } | { readonly element: string; readonly inner: string };

const BUCKET: Readonly<Record<string, Absent>> = {
  accelerate: { element: 'AccelerateConfiguration', inner: '' },
  cors: { code: 'NoSuchCORSConfiguration' },
  encryption: { code: 'ServerSideEncryptionConfigurationNotFoundError' },
  lifecycle: { code: 'NoSuchLifecycleConfiguration' },
  logging: { element: 'BucketLoggingStatus', inner: '' },
  notification: { element: 'NotificationConfiguration', inner: '' },
  'object-lock': { code: 'ObjectLockConfigurationNotFoundError' },
  ownershipControls: { code: 'OwnershipControlsNotFoundError' },
  policy: { code: 'NoSuchBucketPolicy' },
  policyStatus: { code: 'NoSuchBucketPolicy' },
  publicAccessBlock: { code: 'NoSuchPublicAccessBlockConfiguration' },
  replication: { code: 'ReplicationConfigurationNotFoundError' },
  requestPayment: { element: 'RequestPaymentConfiguration', inner: '<Payer>BucketOwner</Payer>' },
  tagging: { code: 'NoSuchTagSet' },
  versioning: { element: 'VersioningConfiguration', inner: '' },
  website: { code: 'NoSuchWebsiteConfiguration' },
};

/** Names that make a request one for a sub-resource, apart from those with operations of their own. */
export const SUB_RESOURCES: ReadonlySet<string> = new Set([
  ...Object.keys(BUCKET),
  'analytics',
  'attributes',
  'intelligent-tiering',
  'inventory',
  'legal-hold',
  'metadataConfiguration',
  'metadataTable',
  'metrics',
  'renameObject',
  'restore',
  'retention',
  'select',
  'session',
  'torrent',
  'abac',
  'append',
]);

export async function getBucketSubResource(call: S3Call, name: string): Promise<HttpResponse> {
  const absent = Object.hasOwn(BUCKET, name) ? BUCKET[name] : undefined;
  if (absent === undefined) throw notImplementedResource(name);
  const ref = await resolve(call);
  await call.world.store.headContainer(call.context, ref);
  checkOwnAccount(call, ref.account);
  if ('code' in absent) throw s3Fault(absent.code, '', { BucketName: call.bucket });
  return xmlAnswer(call, absent.element, absent.inner);
}

export async function getObjectSubResource(call: S3Call, name: string): Promise<HttpResponse> {
  if (name !== 'tagging') throw notImplementedResource(name);
  await call.world.store.headObject(call.context, await resolveObject(call));
  return xmlAnswer(call, 'Tagging', '<TagSet></TagSet>');
}

export function notImplementedResource(name: string): Error {
  return s3Fault('NotImplemented', `The sub-resource ${name} is not implemented.`, { ResourceType: name });
}
