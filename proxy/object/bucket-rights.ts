/**
 * What a container's record says about S3 rights: ownership, the bucket's ACL, its policy and its public access block.
 * Kept in the record's `s3` map, null where it was removed, and parsed once for each record as it is cached. A container
 * on which nothing of it was ever set costs four look-ups.
 */
import type { ContainerRecord } from '../../account-container/contract.ts';
import type { Acl, Ownership } from './acl-types.ts';
import { DEFAULT_OWNERSHIP } from './grants.ts';
import { type Policy, readPolicy } from './policy.ts';

export interface PublicAccessBlock {
  readonly blockPublicAcls: boolean;
  readonly ignorePublicAcls: boolean;
  readonly blockPublicPolicy: boolean;
  readonly restrictPublicBuckets: boolean;
}

/** As stored. `ownership` 'none': its controls were deleted, which turns ACLs on. */
export interface RightsDocuments {
  readonly ownership?: Ownership | 'none' | null | undefined;
  readonly acl?: Acl | null | undefined;
  /** The document as it was sent. */
  readonly policy?: string | null | undefined;
  readonly publicAccessBlock?: PublicAccessBlock | null | undefined;
}

export interface BucketRights {
  readonly ownership: Ownership;
  readonly acl: Acl;
  readonly policy: Policy | undefined;
  readonly block: PublicAccessBlock;
}

export const NO_BLOCK: PublicAccessBlock = {
  blockPublicAcls: false,
  ignorePublicAcls: false,
  blockPublicPolicy: false,
  restrictPublicBuckets: false,
};

const parsed = new WeakMap<ContainerRecord, BucketRights>();

/** Undefined where nothing was ever set. Fault MalformedPolicy for a policy that this version cannot read: nobody gets in. */
export function rightsOf(record: ContainerRecord): BucketRights | undefined {
  const documents = record.s3 as RightsDocuments | undefined;
  if (documents === undefined || !saysAnything(documents)) return undefined;
  const known = parsed.get(record);
  if (known !== undefined) return known;
  const { ownership, acl, policy, publicAccessBlock } = documents;
  const rights: BucketRights = {
    ownership: effective(ownership),
    acl: acl ?? privateAcl(record.account),
    policy: policy ? readPolicy(policy, record.name) : undefined,
    block: publicAccessBlock ?? NO_BLOCK,
  };
  parsed.set(record, rights);
  return rights;
}

function saysAnything({ ownership, acl, policy, publicAccessBlock }: RightsDocuments): boolean {
  return !!ownership || !!acl || !!policy || !!publicAccessBlock;
}

export function effective(ownership: RightsDocuments['ownership']): Ownership {
  return ownership === 'none' ? 'ObjectWriter' : (ownership ?? DEFAULT_OWNERSHIP);
}

export function privateAcl(owner: string): Acl {
  return { owner, grants: [{ id: owner, permission: 'FULL_CONTROL' }] };
}
