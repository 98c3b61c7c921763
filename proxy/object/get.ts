/** GET and HEAD of an object: authorise, read the register from a quorum, judge the conditions, open the bytes. */

import { assert } from '../../fabric/assert.ts';
import { Fault } from '../../fabric/errors.ts';
import { isTombstone, KIND, makeKey } from '../../object-server/contract.ts';
import type { ReadRegister } from '../cluster.ts';
import { readQuorum } from '../quorum-read.ts';
import { authorise, authoriseFound, mayAlso } from './authorise.ts';
import { checkReadConditions } from './conditions.ts';
import { type ContainerState, noContainer } from './containers.ts';
import {
  type Body,
  type Context,
  type ObjectInfo,
  type ObjectLock,
  type ObjectRef,
  type OpenObject,
  type ReadOptions,
  storeFaults,
} from './contract.ts';
import { checkCustomerKey, dataKeyOf } from './encryption.ts';
import type { Engine } from './engine.ts';
import { expirationIn } from './expiration.ts';
import { openExtents } from './extent-body.ts';
import { findVersion } from './find-version.ts';
import { inlineBody } from './inline-body.ts';
import { rulesOf } from './lifecycle-rules.ts';
import { openThroughLinks } from './links.ts';
import { decodeMeta, type ObjectRecord, toInfo } from './object-format.ts';
import { shownLock } from './object-lock.ts';
import { openSealed } from './sealed-body.ts';
import { openSlo } from './slo.ts';
import { isVersionId, versionIdOf, versioningOf } from './version-format.ts';

export async function headObject(
  engine: Engine,
  context: Context,
  ref: ObjectRef,
  { conditions, customerKey, judgesKey }: ReadOptions = {},
): Promise<ObjectInfo> {
  const found = await find(engine, context, ref, false);
  if (judgesKey) checkCustomerKey(found.record.sealed, customerKey);
  const info = infoOf(found);
  checkReadConditions(conditions, info);
  return info;
}

export async function getObject(
  engine: Engine,
  context: Context,
  ref: ObjectRef,
  { conditions, customerKey, depth = 0 }: ReadOptions & { depth?: number } = {},
): Promise<OpenObject> {
  const stored = await find(engine, context, ref, true);
  const isPlain = stored.record.sealed === undefined && customerKey === undefined;
  const opened = isPlain ? stored : unlocked(engine, stored, customerKey);
  const found = opened instanceof Promise ? await opened : opened;
  const info = infoOf(found);
  checkReadConditions(conditions, info);
  return { info, open: (offset, length) => openBody(engine, context, found, { offset, length, depth }) };
}

/** With the key to its bytes; at once where the key is known at once. Faults InvalidRequest, AccessDenied. */
export function unlocked(engine: Engine, found: Found, customerKey: Uint8Array | undefined): Promise<Found> | Found {
  checkCustomerKey(found.record.sealed, customerKey);
  if (found.record.sealed === undefined) return found;
  const key = dataKeyOf(engine, found.record, customerKey);
  return key instanceof Promise ? key.then((dataKey) => withKey(found, dataKey)) : withKey(found, key);
}

/** Field by field: a spread costs more than the key did. */
function withKey(found: Found, dataKey: Uint8Array): Found {
  const { record, register, versioned, hidesTags, lock, expiration } = found;
  return { dataKey, record, register, versioned, hidesTags, lock, expiration };
}

export interface Found {
  /** Of what is encrypted, once somebody may read it. */
  readonly dataKey?: Uint8Array | undefined;
  readonly record: ObjectRecord;
  readonly register: ReadRegister;
  /** Its container has versions. */
  readonly versioned: boolean;
  /** The caller may not read its tags. */
  readonly hidesTags?: boolean | undefined;
  /** What the caller may know of its lock. */
  readonly lock?: ObjectLock | undefined;
  readonly expiration?: ObjectInfo['expiration'];
}

export function infoOf({ record, register, versioned, hidesTags, lock, expiration }: Found): ObjectInfo {
  const info = toInfo(record, register.head, versioned);
  if (hidesTags === undefined) return info;
  return hidesTags ? { ...info, lock, expiration, tags: 'hidden' } : { ...info, lock, expiration };
}

/** The object as a quorum has it; Fault NoSuchContainer, NoSuchObject, NoSuchVersion, IsDeleteMarker, AccessDenied. */
export async function find(engine: Engine, context: Context, ref: ObjectRef, body: boolean): Promise<Found> {
  const cached = engine.containers.find(ref);
  const container = cached instanceof Promise ? await cached : cached;
  const settled = authorise(context, 'read', ref, container?.record);
  if (ref.versionId !== undefined) checkVersion(ref.versionId);
  const found = container && (await lookUpAny(engine, container, ref, body));
  if (container && found && isThere(engine, context, { ...found, ref })) {
    if (!settled) authoriseFound(context, 'read', ref, { container: container.record, found: found.record });
    return asShown(engine, context, ref, { container, found });
  }
  // What is not there may be in a younger incarnation of the container than the one remembered here.
  const fresh = await engine.containers.findFresh(ref);
  const settledNow = authorise(context, 'read', ref, fresh?.record);
  if (!fresh) throw noContainer();
  const again = fresh.incarnation === container?.incarnation ? found : await lookUpAny(engine, fresh, ref, body);
  const isNow = again !== undefined && isThere(engine, context, { ...again, ref });
  if (!settledNow || (!isNow && context.scope?.onlyListersMiss))
    authoriseFound(context, 'read', ref, { container: fresh.record, found: isNow ? again.record : null });
  if (isNow) return asShown(engine, context, ref, { container: fresh, found: again });
  throw nothingThere(ref, again);
}

/** Tags and locks are rights of their own; lifecycle rules know when it goes. */
function asShown(
  engine: Engine,
  context: Context,
  ref: ObjectRef,
  { container, found }: { readonly container: ContainerState; readonly found: Found },
): Found {
  const { tags, retention, hold } = found.record;
  const rules = rulesOf(container.record);
  if (tags === undefined && retention === undefined && hold === undefined && rules === undefined) return found;
  const expiration = rules && ref.versionId === undefined ? expirationIn(engine, container, found) : undefined;
  const records = { container: container.record, found: found.record };
  const hidesTags = tags !== undefined && !mayAlso(context, 's3:GetObjectTagging', ref, records);
  return { ...found, hidesTags, expiration, lock: shownLock(context, ref, container.record, found.record) };
}

type Asked = Pick<Found, 'record'> & { readonly ref: ObjectRef };

const isThere = (engine: Engine, context: Context | undefined, { record, ref }: Asked): boolean =>
  record.marker !== true && (ref.versionId !== undefined || !isHidden(engine, context, record));

/** Whether the object is past its time, and so not there for this caller. */
export function isHidden(engine: Engine, context: Context | undefined, record: ObjectRecord): boolean {
  return engine.expired(record) && context?.openExpired !== true;
}

function nothingThere({ versionId }: ObjectRef, found: Found | undefined): Fault {
  const details = found?.record.marker === true ? { deleteMarker: versionIdOf(found.record), info: infoOf(found) } : {};
  if (versionId === undefined) return new Fault(storeFaults.noSuchObject, details);
  return found ? new Fault(storeFaults.isDeleteMarker, details) : new Fault(storeFaults.noSuchVersion, { versionId });
}

/** Fault NoSuchVersion, with `malformed`, for what no version is ever called. */
export function checkVersion(versionId: string): void {
  if (!isVersionId(versionId)) throw new Fault(storeFaults.noSuchVersion, { versionId, malformed: true });
}

/** The live object of this name, or undefined. */
export async function lookUp(
  engine: Engine,
  container: ContainerState,
  name: string,
  body: boolean,
): Promise<Found | undefined> {
  const { account, name: containerName } = container.record;
  const ref = { account, container: containerName, object: name };
  const found = await lookUpAny(engine, container, ref, body);
  return found && isThere(engine, undefined, { ...found, ref }) ? found : undefined;
}

/** Delete markers and what is past its time too. */
async function lookUpAny(
  engine: Engine,
  container: ContainerState,
  { account, container: containerName, object: name, versionId }: ObjectRef,
  body: boolean,
): Promise<Found | undefined> {
  const key = makeKey(engine.cluster.hash(account, containerName, name), container.incarnation, KIND.object);
  const versioned = versioningOf(container) !== undefined;
  if (versionId !== undefined) {
    const version = await findVersion(engine.cluster, key, { versionId, body });
    return version && { ...version, versioned };
  }
  const register = await readQuorum(engine.cluster, key, body);
  if (!register || isTombstone(register.head)) return undefined;
  return { record: decodeMeta<ObjectRecord>(register.head), register, versioned };
}

/** `depth` counts the manifests around this object. */
export function openBody(
  engine: Engine,
  context: Context,
  { record, register, dataKey }: Found,
  { offset, length, depth = 0 }: { offset: number; length: number; depth?: number },
): Body {
  if (record.slo) {
    const read = async (path: string, inner: number): Promise<OpenObject> => {
      const open = (ref: ObjectRef): Promise<OpenObject> => getObject(engine, context, ref, { depth: inner });
      return (await openThroughLinks(segmentRef(record.account, path), open, ({ info }) => info)).opened;
    };
    return openSlo({ read, segments: record.slo, depth }, offset, length);
  }
  if (record.sealed && dataKey) return openSealed(engine, register, record, { dataKey, offset, length });
  assert(record.sealed === undefined, 'an encrypted body is read without its key');
  if (record.extents) return openExtents(engine, register, record.extents, { offset, length });
  return inlineBody(register.body ?? Buffer.alloc(0), offset, length);
}

/** `/container/object` of a manifest in the manifest's own account. */
export function segmentRef(account: string, path: string): ObjectRef {
  const slash = path.indexOf('/', 1);
  return { account, container: path.slice(1, slash), object: path.slice(slash + 1) };
}
