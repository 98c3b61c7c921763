/**
 * What an inventory means: which keys are below their number of replicas, which bytes are gone, which rows and objects
 * contradict each other. Every rule is about disks alone; nothing the server believes of itself is asked.
 */
import { type Stamp, stampMs } from '../../fabric/stamp.ts';
import {
  handoffOriginal,
  isTombstone,
  type Key,
  KIND,
  keyHashPrefix,
  keyKind,
  SPACE_HANDOFF,
} from '../../object-server/contract.ts';
import { blobKey, decodeMeta, type Extent, type ObjectRecord } from '../../proxy/object/object-format.ts';
import type { Partition, Ring } from '../../ring/contract.ts';
import type { Category, Findings, JudgeWorld } from './findings.ts';
import type { Held } from './inventory.ts';
import { judgeListings } from './judge-listings.ts';
import { kindName } from './names.ts';

/** Kinds whose registers have bodies. */
const BODIES: readonly string[] = [KIND.object, KIND.part, KIND.version];

/** A write younger than this, measured from the newest one anywhere, may have been under way when everything stopped. */
const UNFINISHED_MS = 120_000;

export interface Verdict {
  readonly findings: Findings;
  /** Live objects, containers and so on, by kind. */
  readonly live: Readonly<Record<string, number>>;
}

type Cluster = Pick<JudgeWorld, 'inventory' | 'ring' | 'namer' | 'hash'>;

export function judge({ inventory, ring, namer, hash }: Cluster): Verdict {
  const findings: Findings = new Map();
  const find = (category: Category, finding: string): void => {
    const list = findings.get(category);
    if (list) list.push(finding);
    else findings.set(category, [finding]);
  };
  let newest = 0;
  for (const { ballot } of inventory.keys.values()) newest = Math.max(newest, stampMs(ballot));
  const unfinishedFrom = (stamp: Stamp): boolean => stampMs(stamp) > newest - UNFINISHED_MS;
  const world: JudgeWorld = { hash, inventory, ring, namer, unfinishedFrom, find };
  for (const device of inventory.unreadable) find('unreadable disk', device);
  for (const { device, path, problem, key } of inventory.problems) {
    find('damaged', `${device}: ${path}: ${problem}${key === undefined ? '' : ` (${namer(key)})`}`);
  }
  for (let i = 0; i < inventory.torn; i++) find('torn tail', 'torn behind the last whole record');
  for (const { device, prefix } of inventory.wrongTotals) find('wrong totals', `${device}: ${namer(prefix)}`);
  const live: Record<string, number> = {};
  for (const [key, held] of inventory.keys) {
    judgeCopies(world, key, held);
    if (isTombstone(held.head)) continue;
    const kind = kindName(key);
    live[kind] = (live[kind] ?? 0) + 1;
  }
  judgeHandoffs(world);
  judgeVanished(world);
  judgeListings(world);
  return { findings, live };
}

export const partitionOf = (ring: Ring, key: Key): Partition =>
  (keyHashPrefix(key) >>> (32 - ring.partPower)) as Partition;

function judgeCopies({ ring, inventory, namer, find }: JudgeWorld, key: Key, held: Held): void {
  const primaries = ring.primaries(partitionOf(ring, key)).map(({ id }) => id);
  const gone = isTombstone(held.head);
  const current = held.copies.filter((copy) => copy.ballot === held.ballot);
  const holders = primaries.filter((id) => current.some((copy) => copy.device === id));
  const stale = primaries.filter((id) => held.copies.some((copy) => copy.device === id && copy.ballot < held.ballot));
  if (gone) {
    if (stale.length > 0) find('stale tombstone', `${namer(key)}: old state on device ${stale.join(', ')}`);
    return;
  }
  if (holders.length < primaries.length) {
    find('below target', `${namer(key)}: ${holders.length} of ${primaries.length} primaries`);
  }
  const elsewhere = held.copies.filter(({ device }) => !primaries.includes(device));
  if (elsewhere.length > 0) find('above target', `${namer(key)}: also on ${elsewhere.map((c) => c.device).join(', ')}`);
  if (!BODIES.includes(keyKind(key))) return;
  judgeBytes({ inventory, namer, find }, { key, head: held.head, holders });
}

/** Each holder of a register that refers to blobs of its own partition must have them; every extent must be somewhere. */
function judgeBytes(
  { inventory, namer, find }: Pick<JudgeWorld, 'inventory' | 'namer' | 'find'>,
  { key, head, holders }: { key: Key; head: Buffer; holders: readonly number[] },
): void {
  const { extents = [] } = decodeMeta<ObjectRecord>(head);
  const whereIs = (extent: Extent) => inventory.blobs.get(blobKey(key, extent));
  for (const extent of extents) {
    const where = whereIs(extent);
    if (!where || where.size === 0) {
      find('lost', `${namer(key)}: bytes ${extent.offset} to ${extent.offset + extent.length} of a blob are nowhere`);
      continue;
    }
    if (extent.home) continue;
    const without = holders.filter((id) => !where.has(id));
    if (without.length > 0) find('blob below target', `${namer(key)}: not on device ${without.join(', ')}`);
  }
}

function judgeHandoffs({ inventory, namer, find }: JudgeWorld): void {
  for (const { device, target, key, ballot } of inventory.handoffs) {
    const there = inventory.keys.get(key)?.copies.find((copy) => copy.device === target);
    const delivered = there !== undefined && there.ballot >= ballot;
    find(delivered ? 'handoff delivered' : 'handoff waiting', `${namer(key)}: on device ${device} for ${target}`);
  }
}

/** A record that is damaged on the only device that ever had it is a loss, though nobody holds its key any more. */
function judgeVanished({ inventory, namer, find }: JudgeWorld): void {
  const vanished = new Set<Key>();
  for (const { key } of inventory.problems) {
    if (key === undefined) continue;
    const original = key.startsWith(SPACE_HANDOFF) ? handoffOriginal(key) : key;
    if (keyKind(original) !== KIND.blob && !inventory.keys.has(original)) vanished.add(original);
  }
  for (const key of vanished) find('lost', `${namer(key)}: its only record is damaged`);
}
