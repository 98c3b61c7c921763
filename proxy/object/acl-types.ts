/** Words of S3 access control lists, as stored and as requests ask for them. Imports nothing, so that contracts may. */

export const PERMISSIONS = ['READ', 'WRITE', 'READ_ACP', 'WRITE_ACP', 'FULL_CONTROL'] as const;
export type Permission = (typeof PERMISSIONS)[number];

export const GROUPS = ['AllUsers', 'AuthenticatedUsers', 'LogDelivery'] as const;
export type Group = (typeof GROUPS)[number];

export const CANNED = [
  'private',
  'public-read',
  'public-read-write',
  'authenticated-read',
  'bucket-owner-read',
  'bucket-owner-full-control',
  'log-delivery-write',
] as const;
export type Canned = (typeof CANNED)[number];

/** As AWS: of one ACL. */
export const GRANTS_MAX = 100;

/** To a canonical id (`AUTH_test`, `test:member`) or to a group. */
export interface AclGrant {
  readonly id?: string | undefined;
  readonly group?: Group | undefined;
  readonly permission: Permission;
}

export interface Acl {
  readonly owner: string;
  readonly grants: readonly AclGrant[];
}

/** What a request asks for: a canned ACL, grants in headers, or a document, which names the owner too. */
export type AclRequest =
  | { readonly canned: Canned }
  | { readonly grants: readonly AclGrant[]; readonly owner?: string | undefined };

export const OWNERSHIPS = ['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter'] as const;
export type Ownership = (typeof OWNERSHIPS)[number];
