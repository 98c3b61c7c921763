/**
 * DELETE of an object: a tombstone in its register and one in its row, in one round. What is not there is not written.
 * Where the container has versions nothing goes: a delete marker takes the object's place, unless a version is named.
 */
import { Fault } from '../../fabric/errors.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import { readQuorum } from '../quorum-read.ts';
import { archiveOf, deleteKept } from './archive.ts';
import { commit, objectKey } from './commit.ts';
import { commitVersion, liveVersion } from './commit-version.ts';
import type { ContainerState } from './containers.ts';
import { type Context, type Deleted, type DeleteOptions, type ObjectRef, storeFaults } from './contract.ts';
import { deleteVersion } from './delete-version.ts';
import type { Engine } from './engine.ts';
import { announced } from './events.ts';
import { checkVersion, lookUp } from './get.ts';
import { checkObjectName } from './limits.ts';
import { gravestoneHead, type ObjectRecord } from './object-format.ts';
import { mayBypass } from './object-lock.ts';
import { writable } from './put.ts';
import { NULL_VERSION, versionIdOf, versioningOf } from './version-format.ts';
import { vacate } from './version-place.ts';

export async function deleteObject(
  engine: Engine,
  context: Context,
  ref: ObjectRef,
  options: DeleteOptions = {},
): Promise<Deleted> {
  const container = await writable(engine, context, ref, 's3:DeleteObject');
  const { object: name, versionId } = ref;
  const isMarked = versionId === undefined && versioningOf(container) !== undefined && options.vacates !== true;
  const event = isMarked ? 'ObjectRemoved:DeleteMarkerCreated' : 'ObjectRemoved:Delete';
  return announced(
    engine,
    { container, name, event, versionId, context },
    () => deleteIn(engine, context, container, { ref, options }),
    (deleted) => (deleted.existed ? { versionId: deleted.versionId } : undefined),
  );
}

async function deleteIn(
  engine: Engine,
  context: Context,
  container: ContainerState,
  { ref, options }: { ref: ObjectRef; options: DeleteOptions },
): Promise<Deleted> {
  const { conditions, ifDeleteAt } = options;
  if (ifDeleteAt !== undefined) return deleteIfDue(engine, container, ref.object, ifDeleteAt);
  if (versioningOf(container) !== undefined) return deleteVersioned(engine, context, container, { ref, options });
  if (ref.versionId !== undefined) checkVersion(ref.versionId);
  const archive = ref.versionId === undefined ? archiveOf(container.record) : undefined;
  if (archive) {
    const kept = { container, archive, name: ref.object, conditions, at: context.at };
    return { existed: await deleteKept(engine, kept) };
  }
  if (context.at !== undefined && ref.versionId === undefined) return deleteAsOf(engine, container, ref, context.at);
  const isOther = ref.versionId !== undefined && ref.versionId !== NULL_VERSION;
  const found = isOther ? undefined : await lookUp(engine, container, ref.object, false);
  if (!found) {
    const fresh = await engine.containers.findFresh(ref);
    if (fresh && isAnother(fresh, container)) {
      return deleteIn(engine, context, await writable(engine, context, ref, 's3:DeleteObject'), { ref, options });
    }
    if (conditions?.ifMatch !== undefined) throw new Fault(storeFaults.noSuchObject);
    return { existed: false };
  }
  const key = objectKey(engine, container, ref.object);
  const { account, container: containerName, object: name } = ref;
  await commit(engine, {
    container,
    name,
    writes: (stamp) => [{ head: gravestoneHead({ account, container: containerName, name }, key, stamp) }],
    row: undefined,
    conditions,
  });
  return { existed: true };
}

/** Elsewhere, at that time: what is not there leaves its trace too, because an older PUT may still be on its way. */
async function deleteAsOf(
  engine: Engine,
  container: ContainerState,
  { account, container: containerName, object: name }: ObjectRef,
  at: Stamp,
): Promise<Deleted> {
  const key = objectKey(engine, container, name);
  let existed = false;
  await commit(engine, {
    container,
    name,
    writes: (stamp) => [{ head: gravestoneHead({ account, container: containerName, name }, key, stamp, at) }],
    row: undefined,
    at,
    onFound: (found) => {
      existed = found;
    },
  });
  return { existed };
}

async function deleteIfDue(
  engine: Engine,
  container: ContainerState,
  name: string,
  deleteAtS: number,
): Promise<Deleted> {
  const deleted = await vacate(engine, { container, name, only: ({ record }) => record.deleteAt === deleteAtS });
  if (deleted) return { existed: true };
  const current = liveVersion(await readQuorum(engine.cluster, objectKey(engine, container, name), false));
  if (!current || current.record.marker) return { existed: false };
  throw new Fault(storeFaults.preconditionFailed, { header: 'X-If-Delete-At' });
}

function isAnother(fresh: ContainerState, container: ContainerState): boolean {
  return fresh.incarnation !== container.incarnation || versioningOf(fresh) !== versioningOf(container);
}

async function deleteVersioned(
  engine: Engine,
  context: Context,
  container: ContainerState,
  { ref, options }: { ref: ObjectRef; options: DeleteOptions },
): Promise<Deleted> {
  const { account, container: containerName, object: name, versionId } = ref;
  const { conditions, vacates } = options;
  if (versionId !== undefined) {
    checkVersion(versionId);
    const bypass = mayBypass(context, ref, container.record, options.bypassGovernance);
    return deleteVersion(engine, { container, name, versionId, conditions, vacates, bypass });
  }
  checkObjectName(name);
  if (vacates && versioningOf(container) === 'Suspended') {
    const found = await vacate(engine, { container, name, conditions });
    return { existed: found !== undefined };
  }
  const names = { account, container: containerName, name };
  const marker: ObjectRecord = { ...names, size: 0, etag: '', type: '', marker: true };
  const { record, replaced } = await commitVersion(engine, { container, name, record: marker, conditions });
  return { existed: true, versionId: versionIdOf(record), deleteMarker: true, hadObject: replaced === true };
}
