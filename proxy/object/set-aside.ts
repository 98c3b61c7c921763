/**
 * What becomes of the version that a new one takes the place of: a copy in a register of its own, with its row among the
 * versions, on a majority before the object's register changes (docs/adr/0009-versions.md). Until then the copy is one
 * too many, which nobody sees; never is there one too few, nor a blob without a register that refers to it.
 */
import type { Stamp } from '../../fabric/stamp.ts';
import {
  encodeHead,
  FLAG_TOMBSTONE,
  headMeta,
  headRefs,
  headStamp,
  isTombstone,
  type Key,
} from '../../object-server/contract.ts';
import type { ReadRegister } from '../cluster.ts';
import { writeUnder } from '../quorum-decide.ts';
import { readQuorum } from '../quorum-read.ts';
import type { QuorumWrite, WriteResult } from '../quorum-write.ts';
import { repairBlobs } from '../repair-blobs.ts';
import type { Named } from './commit.ts';
import type { Engine } from './engine.ts';
import { decodeMeta, encodeMeta, type ObjectRecord } from './object-format.ts';
import { lockFault } from './object-lock.ts';
import { noVersionRow, versionRow } from './row-writes.ts';
import { NULL_VERSION, orderOf, versionIdOf, versionKey } from './version-format.ts';

/** A version as some register holds it. */
export interface Version {
  readonly record: ObjectRecord;
  readonly register: ReadRegister;
}

/** The same version, bytes and all, under another key of its name. */
export function versionAs(key: Key, { head, body }: ReadRegister, ballot: Stamp): QuorumWrite {
  const flags = (head[1] as number) & ~FLAG_TOMBSTONE;
  const moved = { key, ballot, stamp: headStamp(head), flags, meta: headMeta(head), refs: headRefs(head) };
  return { head: encodeHead({ ...moved, body }), body };
}

/** Under the ballot of the round that judged `version`: a writer that was overtaken can revive nothing. */
export async function setAside(
  engine: Engine,
  object: Named & { readonly key: Key },
  version: Version,
  ballot: Stamp,
): Promise<WriteResult> {
  const { cluster } = engine;
  const { record, register } = version;
  const id = versionIdOf(record);
  const writes = [
    versionAs(versionKey(object.key, id), register, ballot),
    versionRow(object.container, { record, head: register.head }, ballot),
  ];
  if (id === NULL_VERSION) {
    const before = await nullOrder(engine, object.key);
    if (before !== undefined && before !== orderOf(record, register.head))
      writes.push(noVersionRow(object.container, object.name, { order: before, ballot }));
  }
  const done = await send(engine, ballot, writes);
  if (done.result !== 'missing-blob') return done;
  await repairBlobs(cluster, register);
  return send(engine, ballot, writes);
}

/** Part of the round's own operation, which is not over before this is: devices would forget what they know of it. */
function send({ cluster }: Engine, ballot: Stamp, writes: readonly QuorumWrite[]): Promise<WriteResult> {
  cluster.settled.join(ballot);
  return writeUnder(cluster, ballot, writes);
}

/** Where the null version that was set aside stands, if there is one. */
async function nullOrder({ cluster }: Engine, objectKey: Key): Promise<Stamp | undefined> {
  const held = await readQuorum(cluster, versionKey(objectKey, NULL_VERSION), false);
  return held && !isTombstone(held.head) ? headStamp(held.head) : undefined;
}

/** Removes the null version from among the older ones, wherever a row of it may be: a new one takes its place. */
export async function withoutNull(
  engine: Engine,
  object: Named & { readonly key: Key },
  current: Version | undefined,
  ballot: Stamp,
): Promise<readonly QuorumWrite[]> {
  const orders = new Set<Stamp>();
  const held = await readQuorum(engine.cluster, versionKey(object.key, NULL_VERSION), false);
  const before = held && !isTombstone(held.head) ? headStamp(held.head) : undefined;
  if (held && before !== undefined) checkMayGo(engine, decodeMeta<ObjectRecord>(held.head));
  if (current && current.record.version === undefined) checkMayGo(engine, current.record);
  if (before !== undefined) orders.add(before);
  if (current && current.record.version === undefined) orders.add(headStamp(current.register.head));
  const rows = [...orders].map((order) => noVersionRow(object.container, object.name, { order, ballot }));
  return [goneVersion(object, NULL_VERSION, { order: before ?? ballot, ballot }), ...rows];
}

/** Object lock holds here too, although nobody can suspend versioning where there is one. */
function checkMayGo({ cluster }: Engine, record: ObjectRecord): void {
  const locked = lockFault(record, cluster.clock.nowMs());
  if (locked) throw locked;
}

/** A tombstone that says which row was the version's. */
export function goneVersion(
  { container, name, key }: Named & { readonly key: Key },
  versionId: string,
  { order, ballot }: { readonly order: Stamp; readonly ballot: Stamp },
): QuorumWrite {
  const { account, name: containerName } = container.record;
  const meta = encodeMeta({ account, container: containerName, name, order });
  const at = versionKey(key, versionId);
  return { head: encodeHead({ key: at, ballot, stamp: ballot, flags: FLAG_TOMBSTONE, meta }) };
}
