/**
 * Changes what is said about an object, or about one of its versions, and nothing else: ACL, tags. A read-modify-write of
 * the record, so it is decided (ADR 1); neither its stamp nor its row changes.
 */
import type { ContainerRecord } from '../../account-container/contract.ts';
import { Fault } from '../../fabric/errors.ts';
import { headStamp, type Key } from '../../object-server/contract.ts';
import type { ReadRegister } from '../cluster.ts';
import { pause } from '../pause.ts';
import { decide, type Judge, type OwnRounds } from '../quorum-decide.ts';
import { readQuorum } from '../quorum-read.ts';
import { type Action, authorise, authoriseFound } from './authorise.ts';
import { objectKey, recordOf } from './commit.ts';
import { liveVersion } from './commit-version.ts';
import { type ContainerState, noContainer } from './containers.ts';
import { type Context, type ObjectInfo, type ObjectRef, storeFaults } from './contract.ts';
import type { Engine } from './engine.ts';
import { type ObjectRecord, recordHead, toInfo } from './object-format.ts';
import { checkWritable } from './read-only.ts';
import { versionIdOf, versioningOf, versionKey } from './version-format.ts';

const TRIES_MAX = 10;

export interface ObjectChange {
  /** What the caller must be allowed to do. */
  readonly action: Action;
  /** Called once a round, on what a majority holds; undefined leaves it as it is. Throws to refuse. */
  change(record: ObjectRecord, container: ContainerRecord): ObjectRecord | undefined;
}

/** The object as it is afterwards. Faults NoSuchContainer, NoSuchObject, NoSuchVersion, IsDeleteMarker, AccessDenied. */
export async function changeObject(
  engine: Engine,
  context: Context,
  ref: ObjectRef,
  { action, change }: ObjectChange,
): Promise<ObjectInfo> {
  const own: OwnRounds = new Set();
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const container = await engine.containers.findFresh(ref);
    const settled = authorise(context, action, ref, container?.record);
    if (!container) throw noContainer();
    await checkWritable(engine, container.record);
    const versioned = versioningOf(container) !== undefined;
    const key = await placeOf(engine, container, ref);
    let isMoved = false;
    let info: ObjectInfo | undefined;
    const judge: Judge = (current, ballot) => {
      const record = recordMeant(engine, ref, current);
      if (!settled) authoriseFound(context, action, ref, { container: container.record, found: record ?? null });
      if (!record || !current) {
        // Another version may have taken its place since it was looked for.
        isMoved = ref.versionId !== undefined && attempt === 0;
        return isMoved ? { keep: true } : { keep: true, refuse: nothingThere(ref, current) };
      }
      const next = change(record, container.record);
      info = toInfo(next ?? record, current.head, versioned);
      if (next === undefined) return { keep: true };
      const head = recordHead(next, { key, stamp: headStamp(current.head), ballot, body: current.body });
      return { write: [{ head, body: current.body }] };
    };
    const done = await decide(engine.cluster, key, judge, { own });
    if (done.result === 'ok' && !isMoved) return info as unknown as ObjectInfo;
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
  const current = liveVersion(await readQuorum(engine.cluster, key, false))?.record;
  return current && versionIdOf(current) === ref.versionId ? key : versionKey(key, ref.versionId);
}

/** Undefined for a delete marker, and for another version than the one asked for. */
function recordMeant(engine: Engine, ref: ObjectRef, current: ReadRegister | undefined): ObjectRecord | undefined {
  const found = recordOf(engine, current);
  if (!found || (ref.versionId !== undefined && versionIdOf(found.record) !== ref.versionId)) return undefined;
  return found.record;
}

function nothingThere({ versionId }: ObjectRef, current: ReadRegister | undefined): Fault {
  const record = liveVersion(current)?.record;
  const marker = record?.marker === true ? versionIdOf(record) : undefined;
  const details = marker === undefined ? {} : { deleteMarker: marker };
  if (versionId === undefined) return new Fault(storeFaults.noSuchObject, details);
  return new Fault(marker === versionId ? storeFaults.isDeleteMarker : storeFaults.noSuchVersion, details);
}
