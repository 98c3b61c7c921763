/** S3 ACLs of objects: the one a new object gets, and replacing that of an object which is there. */
import type { ContainerRecord } from '../../account-container/contract.ts';
import { Fault } from '../../fabric/errors.ts';
import type { Acl, AclRequest } from './acl-types.ts';
import { effective, NO_BLOCK, rightsOf } from './bucket-rights.ts';
import { changeObject } from './change-object.ts';
import { type Context, type ObjectRef, storeFaults } from './contract.ts';
import type { Engine } from './engine.ts';
import { announcedChange } from './events.ts';
import { aclOfNew, canonicalId, expandAcl, isPublicAcl } from './grants.ts';

/** Faults AclNotSupported, AccessDenied. Undefined, at no cost, where nobody ever set anything. */
export function newAcl(
  record: ContainerRecord,
  { caller }: Pick<Context, 'caller'>,
  request: AclRequest | undefined,
): Acl | undefined {
  const rights = rightsOf(record);
  if (rights === undefined && request === undefined) return undefined;
  const ownership = rights?.ownership ?? effective(undefined);
  const blocksPublicAcls = (rights?.block ?? NO_BLOCK).blockPublicAcls;
  return aclOfNew(request, { owner: record.account, ownership, blocksPublicAcls }, caller);
}

/** The ACL that `request` makes of the one that is there; undefined where ACLs are off and it changes nothing. */
export function changedAcl(
  container: ContainerRecord,
  context: Context,
  { request, old }: { readonly request: AclRequest; readonly old: Acl | undefined },
): Acl | undefined {
  const rights = rightsOf(container);
  const bucketOwner = container.account;
  if ((rights?.ownership ?? effective(undefined)) === 'BucketOwnerEnforced') {
    return newAcl(container, context, request);
  }
  const owner = old?.owner ?? bucketOwner;
  const acl = expandAcl(request, { owner, bucketOwner });
  if (acl.owner !== owner) throw new Fault(storeFaults.accessDenied, { owner, caller: canonicalId(context.caller) });
  if (rights?.block.blockPublicAcls && isPublicAcl(acl)) throw new Fault(storeFaults.accessDenied);
  return acl;
}

export async function setObjectAcl(
  engine: Engine,
  context: Context,
  ref: ObjectRef,
  request: AclRequest,
): Promise<void> {
  await announcedChange(engine, { context, ref, event: 'ObjectAcl:Put' }, () =>
    changeObject(engine, context, ref, {
      action: 's3:PutObjectAcl',
      change(record, container) {
        const acl = changedAcl(container, context, { request, old: record.acl });
        return acl && { ...record, acl };
      },
    }),
  );
}
