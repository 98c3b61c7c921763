/**
 * S3 access control lists as data: grants, canned ACLs and what they give to whom. Pure; knows nothing of requests, XML or
 * storage. Who may do what is decided in authorise.ts, which asks here.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html
 */
import { Fault } from '../../fabric/errors.ts';
import type { Acl, AclGrant, AclRequest, Ownership, Permission } from './acl-types.ts';
import { type Caller, storeFaults } from './contract.ts';

/** An account's owner goes by the account, anybody else by their own name; undefined for anonymous. */
export function canonicalId({ admin, account, user }: Caller): string | undefined {
  return admin ? account : user;
}

/** The ACL that a request stands for. `owner`: of what it is set on. */
export function expandAcl(request: AclRequest, who: { owner: string; bucketOwner: string }): Acl {
  const { owner, bucketOwner } = who;
  if ('grants' in request) return { owner: request.owner ?? owner, grants: request.grants };
  const grants: AclGrant[] = [{ id: owner, permission: 'FULL_CONTROL' }];
  const { canned } = request;
  if (canned.startsWith('public-read')) grants.push({ group: 'AllUsers', permission: 'READ' });
  if (canned === 'public-read-write') grants.push({ group: 'AllUsers', permission: 'WRITE' });
  if (canned === 'authenticated-read') grants.push({ group: 'AuthenticatedUsers', permission: 'READ' });
  if (bucketOwner !== owner && canned === 'bucket-owner-read') grants.push({ id: bucketOwner, permission: 'READ' });
  if (bucketOwner !== owner && canned === 'bucket-owner-full-control')
    grants.push({ id: bucketOwner, permission: 'FULL_CONTROL' });
  if (canned === 'log-delivery-write') {
    grants.push({ group: 'LogDelivery', permission: 'WRITE' }, { group: 'LogDelivery', permission: 'READ_ACP' });
  }
  return { owner, grants };
}

/** Groups of everybody are what public access blocks are about. */
export function isPublicAcl({ grants }: Pick<Acl, 'grants'>): boolean {
  return grants.some(({ group }) => group === 'AllUsers' || group === 'AuthenticatedUsers');
}

/** Nobody but `owner` gets anything. */
export function isPrivate({ owner, grants }: Acl): boolean {
  return grants.every(({ id }) => id === owner);
}

/** Whether `acl` gives `permission` to the caller. Whoever owns a thing may always read and write its ACL. */
export function grantsTo(acl: Acl, caller: Caller, permission: Permission, ignorePublic: boolean): boolean {
  const me = canonicalId(caller);
  if (me === acl.owner && permission.endsWith('_ACP')) return true;
  return acl.grants.some(({ id, group, permission: given }) => {
    if (given !== permission && given !== 'FULL_CONTROL') return false;
    if (group === undefined) return id !== undefined && (id === me || id === caller.user);
    if (ignorePublic) return false;
    return group === 'AllUsers' || (group === 'AuthenticatedUsers' && caller.user !== undefined);
  });
}

/** Of a container that says nothing, as AWS since April 2023: ACLs are off. */
export const DEFAULT_OWNERSHIP: Ownership = 'BucketOwnerEnforced';

/**
 * The ACL to store with a new object, undefined for the plain one (private, of the bucket's owner). Faults
 * AclNotSupported where ACLs are off, AccessDenied where public ones are blocked.
 */
export function aclOfNew(
  request: AclRequest | undefined,
  bucket: { readonly owner: string; readonly ownership: Ownership; readonly blocksPublicAcls: boolean },
  caller: Caller,
): Acl | undefined {
  // Whoever of the owner's own account writes does so for it.
  const isOwn = caller.account === undefined || caller.account === bucket.owner;
  const writer = isOwn ? bucket.owner : (canonicalId(caller) ?? bucket.owner);
  if (bucket.ownership === 'BucketOwnerEnforced') {
    if (request !== undefined && !isHarmless(request, bucket.owner)) throw new Fault(storeFaults.aclNotSupported);
    return undefined;
  }
  if (request === undefined && writer === bucket.owner) return undefined;
  const isHandedOver =
    bucket.ownership === 'BucketOwnerPreferred' &&
    request !== undefined &&
    'canned' in request &&
    request.canned === 'bucket-owner-full-control';
  const owner = isHandedOver ? bucket.owner : writer;
  const acl = expandAcl(request ?? { canned: 'private' }, { owner, bucketOwner: bucket.owner });
  if (bucket.blocksPublicAcls && isPublicAcl(acl)) throw new Fault(storeFaults.accessDenied);
  return acl;
}

/** What is true anyway where ACLs are off. */
function isHarmless(request: AclRequest, bucketOwner: string): boolean {
  if ('canned' in request) return request.canned === 'private' || request.canned === 'bucket-owner-full-control';
  const { grants } = request;
  return grants.length > 0 && grants.every(({ id, permission }) => id === bucketOwner && permission === 'FULL_CONTROL');
}
