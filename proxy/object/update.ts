/**
 * POST of an object: new attributes on the same bytes. A read-modify-write, so it is decided (ADR 1): bytes and
 * attributes of two writers never mix.
 */
import { Fault } from '../../fabric/errors.ts';
import { isTombstone } from '../../object-server/contract.ts';
import { pause } from '../pause.ts';
import { decide, type Judge, type OwnRounds } from '../quorum-decide.ts';
import { alignRow, goneOrNew, objectKey, stillThere, superseded } from './commit.ts';
import { type Context, type ObjectAttributes, type ObjectInfo, type ObjectRef, storeFaults } from './contract.ts';
import type { Engine } from './engine.ts';
import { noteExpiry } from './expiry-index.ts';
import { isHidden } from './get.ts';
import { checkAttributes } from './limits.ts';
import { withLinkOf } from './links.ts';
import { decodeMeta, type ObjectRecord, recordHead, toInfo } from './object-format.ts';
import { lockFault } from './object-lock.ts';
import { writable } from './put.ts';
import { rowsBeside } from './row-writes.ts';
import { synced } from './sync-desk.ts';

const TRIES_MAX = 10;

export async function updateObject(
  engine: Engine,
  context: Context,
  ref: ObjectRef,
  attributes: ObjectAttributes,
): Promise<ObjectInfo> {
  checkAttributes(attributes);
  if (context.at !== undefined) engine.cluster.stamps.observe(context.at);
  const own: OwnRounds = new Set();
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const container = await writable(engine, context, ref);
    if (attributes.deleteAt !== undefined && attempt === 0) await noteExpiry(engine, ref, attributes.deleteAt);
    const key = objectKey(engine, container, ref.object);
    let info: ObjectInfo | undefined;
    const judge: Judge = (current, ballot, _granted, mine) => {
      const record = current && !isTombstone(current.head) ? decodeMeta<ObjectRecord>(current.head) : undefined;
      if (!record || !current || record.marker === true || isHidden(engine, context, record))
        return { keep: true, refuse: new Fault(storeFaults.noSuchObject) };
      const locked = lockFault(record, engine.cluster.clock.nowMs());
      if (locked) return { keep: true, refuse: locked };
      const late = mine ? undefined : superseded(context, current);
      if (late) return { keep: true, refuse: late };
      const next = withAttributes(record, attributes);
      const head = recordHead(next, { key, stamp: context.at ?? ballot, ballot, body: current.body });
      info = toInfo(next, head);
      return { write: [{ head, body: current.body }, ...rowsBeside(container, ref.object, head, ballot)] };
    };
    const done = await synced(engine, container, ref.object, () => decide(engine.cluster, key, judge, { own }));
    if (done.result === 'ok') {
      await alignRow(engine, { container, name: ref.object }, done);
      return info as ObjectInfo;
    }
    engine.containers.forget(ref);
    if (done.result === 'full') throw new Fault(storeFaults.insufficientStorage);
    if (done.result === 'guard' && !(await stillThere(engine, container))) throw await goneOrNew(engine, container);
    if (done.result !== 'guard' && done.result !== 'sealed' && done.result !== 'newer') break;
    await pause(engine.cluster, attempt);
  }
  throw new Fault(storeFaults.quorumUnavailable);
}

function withAttributes(
  record: ObjectRecord,
  { contentType, user, headers, deleteAt }: ObjectAttributes,
): ObjectRecord {
  return { ...record, type: contentType ?? record.type, user, headers: withLinkOf(record.headers, headers), deleteAt };
}
