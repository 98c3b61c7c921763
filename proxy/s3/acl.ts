/**
 * GetBucketAcl, PutBucketAcl, GetObjectAcl, PutObjectAcl, and the ACL that CreateBucket asks for. A bucket's ACL lies in
 * its container's record, an object's in the object's own. Where ownership is BucketOwnerEnforced, as it is unless
 * somebody asks for something else, only what is true anyway is accepted.
 */
import type { HttpResponse } from '../../fabric/http/contract.ts';
import { type Acl, OWNERSHIPS, type Ownership } from '../object/acl-types.ts';
import { effective, privateAcl, type RightsDocuments } from '../object/bucket-rights.ts';
import type { ContainerInfo, ContainerRef } from '../object/contract.ts';
import { aclOfNew, DEFAULT_OWNERSHIP, expandAcl, isPrivate, isPublicAcl } from '../object/grants.ts';
import { aclXml, readAclHeaders, readAclRequest } from './acl-request.ts';
import { checkVersionId, emptyAnswer, resolve, resolveObject, type S3Call, xmlAnswer } from './call.ts';
import { s3Fault } from './errors.ts';

/** A bucket's ACL takes the place of all of its rights, Swift's included. */
const NO_SWIFT_ACL = { 'x-container-read': null, 'x-container-write': null } as const;

export async function getBucketAcl(call: S3Call): Promise<HttpResponse> {
  const info = await call.world.store.headContainer(call.context, await resolve(call));
  return xmlAnswer(call, 'AccessControlPolicy', aclXml(shownAcl(info)));
}

/** The S3 ACL, and what a Swift ACL lets everybody do. */
function shownAcl({ account, metadata, s3 }: ContainerInfo): Acl {
  const acl = (s3 as RightsDocuments).acl ?? privateAcl(account);
  const isOpen = (metadata['x-container-read'] ?? '').split(',').some((item) => item.trim() === '.r:*');
  const isShown = acl.grants.some(({ group, permission }) => group === 'AllUsers' && permission === 'READ');
  if (!isOpen || isShown) return acl;
  return { ...acl, grants: [...acl.grants, { group: 'AllUsers', permission: 'READ' }] };
}

export async function putBucketAcl(call: S3Call): Promise<HttpResponse> {
  const request = await readAclRequest(call);
  const ref = await resolve(call);
  const { account, s3 } = await call.world.store.headContainer(call.context, ref);
  const { ownership, publicAccessBlock } = s3 as RightsDocuments;
  const bucket = { owner: account, ownership: effective(ownership), blocksPublicAcls: false };
  // Refuses what cannot be where ACLs are off.
  aclOfNew(request, bucket, call.context.caller);
  const acl = expandAcl(request, { owner: account, bucketOwner: account });
  if (acl.owner !== account) throw s3Fault('AccessDenied');
  if (publicAccessBlock?.blockPublicAcls && isPublicAcl(acl)) throw s3Fault('AccessDenied');
  const documents: RightsDocuments = { acl: bucket.ownership === 'BucketOwnerEnforced' ? null : acl };
  await call.world.store.updateContainer(call.context, ref, { metadata: NO_SWIFT_ACL, s3: { ...documents } });
  return emptyAnswer(call, 200);
}

export async function getObjectAcl(call: S3Call): Promise<HttpResponse> {
  checkVersionId(call.query.get('versionId'));
  const ref = await resolveObject(call);
  const info = await call.world.store.headObject(call.context, ref);
  return xmlAnswer(call, 'AccessControlPolicy', aclXml(info.acl ?? privateAcl(ref.account)));
}

export async function putObjectAcl(call: S3Call): Promise<HttpResponse> {
  checkVersionId(call.query.get('versionId'));
  const request = await readAclRequest(call);
  await call.world.store.setObjectAcl(call.context, await resolveObject(call), request);
  return emptyAnswer(call, 200);
}

/**
 * Rights of a bucket to be. Who asks for an ACL at its creation, and names no ownership, gets ObjectWriter, because ACLs
 * mean nothing otherwise; AWS refuses it.
 */
export function readNewRights(call: S3Call, account: string): RightsDocuments {
  const request = readAclHeaders(call);
  const asked = call.request.headers.get('x-amz-object-ownership');
  const named = asked === undefined ? undefined : readOwnership(asked);
  const acl = request && expandAcl(request, { owner: account, bucketOwner: account });
  const isPlain = acl === undefined || isPrivate(acl);
  if (named === 'BucketOwnerEnforced' && !isPlain) throw s3Fault('InvalidBucketAclWithObjectOwnership');
  const usual = call.world.objectOwnership ?? DEFAULT_OWNERSHIP;
  const isOff = usual === 'BucketOwnerEnforced';
  const ownership = named ?? (isOff ? (isPlain ? undefined : 'ObjectWriter') : usual);
  return { ...(ownership === undefined ? {} : { ownership }), ...(isPlain ? {} : { acl }) };
}

/** Of a bucket that its owner makes again: what this request says counts, which is nothing where ACLs are off. */
export async function resetAcl(call: S3Call, ref: ContainerRef): Promise<void> {
  const { s3 } = await call.world.store.headContainer(call.context, ref);
  const { ownership, acl: before, publicAccessBlock } = s3 as RightsDocuments;
  const { acl } = readNewRights(call, ref.account);
  if (effective(ownership) === 'BucketOwnerEnforced' || (!before && !acl)) return;
  if (acl && publicAccessBlock?.blockPublicAcls && isPublicAcl(acl)) throw s3Fault('AccessDenied');
  await call.world.store.updateContainer(call.context, ref, { s3: { acl: acl ?? null } });
}

export function readOwnership(text: string): Ownership {
  const ownership = OWNERSHIPS.find((each) => each === text);
  if (ownership !== undefined) return ownership;
  const message = `Invalid x-amz-object-ownership header: ${text}`;
  throw s3Fault('InvalidArgument', message, { ArgumentName: 'x-amz-object-ownership', ArgumentValue: text });
}
