/** S3 ACLs of objects: the one a new object gets, and replacing that of an object which is there. */
import type { ContainerRecord } from '../../account-container/contract.ts';
import { Fault } from '../../fabric/errors.ts';
import { headStamp, type Key } from '../../object-server/contract.ts';
import type { ReadRegister } from '../cluster.ts';
import { pause } from '../pause.ts';
import { decide, type Judge, type OwnRounds } from '../quorum-decide.ts';
import { readQuorum } from '../quorum-read.ts';
import type { Acl, AclRequest } from './acl-types.ts';
import { authorise, authoriseFound } from './authorise.ts';
import { effective, NO_BLOCK, rightsOf } from './bucket-rights.ts';
import { objectKey, recordOf } from './commit.ts';
import { type ContainerState, noContainer } from './containers.ts';
import { type Context, type ObjectRef, storeFaults } from './contract.ts';
import type { Engine } from './engine.ts';
import { aclOfNew, canonicalId, expandAcl, isPublicAcl } from './grants.ts';
import { type ObjectRecord, recordHead } from './object-format.ts';
import { versionIdOf, versionKey } from './version-format.ts';

const TRIES_MAX = 10;
const ACTION = 's3:PutObjectAcl';

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

/** A read-modify-write of the object's record, or of the version's; neither its stamp nor its row changes. */
export async function setObjectAcl(
  engine: Engine,
  context: Context,
  ref: ObjectRef,
  request: AclRequest,
): Promise<void> {
  const own: OwnRounds = new Set();
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const container = await engine.containers.findFresh(ref);
    const settled = authorise(context, ACTION, ref, container?.record);
    if (!container) throw noContainer();
    const key = await placeOf(engine, container, ref);
    let isMoved = false;
    const judge: Judge = (current, ballot) => {
      const record = recordMeant(engine, ref, current);
      if (!settled) authoriseFound(context, ACTION, ref, { container: container.record, found: record ?? null });
      if (!record || !current) {
        // Another version may have taken its place since it was looked for.
        isMoved = ref.versionId !== undefined && attempt === 0;
        const code = ref.versionId === undefined ? storeFaults.noSuchObject : storeFaults.noSuchVersion;
        return isMoved ? { keep: true } : { keep: true, refuse: new Fault(code) };
      }
      const acl = changedAcl(container.record, context, { request, old: record.acl });
      if (acl === undefined) return { keep: true };
      const head = recordHead({ ...record, acl }, { key, stamp: headStamp(current.head), ballot, body: current.body });
      return { write: [{ head, body: current.body }] };
    };
    const done = await decide(engine.cluster, key, judge, { own });
    if (done.result === 'ok' && !isMoved) return;
    if (done.result === 'full') throw new Fault(storeFaults.insufficientStorage);
    if (done.result !== 'ok' && done.result !== 'newer' && done.result !== 'sealed') break;
    await pause(engine.cluster, attempt);
  }
  throw new Fault(storeFaults.quorumUnavailable);
}

/** Key of the register that holds the object, or the version that is meant. */
async function placeOf(engine: Engine, container: ContainerState, ref: ObjectRef): Promise<Key> {
  const key = objectKey(engine, container, ref.object);
  if (ref.versionId === undefined) return key;
  const current = await readQuorum(engine.cluster, key, false);
  return recordMeant(engine, ref, current) ? key : versionKey(key, ref.versionId);
}

/** Undefined for a delete marker, and for another version than the one asked for. */
function recordMeant(engine: Engine, ref: ObjectRef, current: ReadRegister | undefined): ObjectRecord | undefined {
  const found = recordOf(engine, current);
  if (!found || (ref.versionId !== undefined && versionIdOf(found.record) !== ref.versionId)) return undefined;
  return found.record;
}
