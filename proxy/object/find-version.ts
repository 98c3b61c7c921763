/**
 * Which version a request means. The object's register is asked first: what it does not hold any more was set aside
 * before it lost it, so that no version is ever between the two.
 */
import { Fault, isFault } from '../../fabric/errors.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import { headBallot, headKey, isTombstone, type Key, type ObjectServiceCalls } from '../../object-server/contract.ts';
import type { Cluster, Replica } from '../cluster.ts';
import { readQuorum } from '../quorum-read.ts';
import { readOrder } from '../read-order.ts';
import { liveVersion } from './commit-version.ts';
import { storeFaults } from './contract.ts';
import type { Version } from './set-aside.ts';
import { NULL_VERSION, orderOf, versionIdOf, versionKey, versionsPrefix } from './version-format.ts';

const SCAN_DEADLINE_MS = 10_000;
const SCAN_HEADS = 100;
/** Looks that may each find their version gone a moment later. */
const LOOKS_MAX = 8;

/** Delete markers included; undefined when there is no such version. */
export async function findVersion(
  cluster: Cluster,
  objectKey: Key,
  { versionId, body }: { readonly versionId: string; readonly body: boolean },
): Promise<Version | undefined> {
  const current = liveVersion(await readQuorum(cluster, objectKey, body));
  if (current && versionIdOf(current.record) === versionId) return current;
  return liveVersion(await readQuorum(cluster, versionKey(objectKey, versionId), body));
}

/** The register that a row of the versions table stands for: a version set aside, or a delete marker that is the newest. */
export async function versionOfRow(
  cluster: Cluster,
  objectKey: Key,
  order: Stamp,
): Promise<(Version & { readonly key: Key }) | undefined> {
  const places = [objectKey, versionKey(objectKey, order), versionKey(objectKey, NULL_VERSION)];
  for (const key of places) {
    const found = liveVersion(await readQuorum(cluster, key, false));
    const isShown = found && (key !== objectKey || found.record.marker === true);
    if (found && isShown && orderOf(found.record, found.register.head) === order) return { ...found, key };
  }
  return undefined;
}

/** The newest version set aside, without `except`; undefined when there is none. */
export async function newestAside(cluster: Cluster, objectKey: Key, except: string): Promise<Version | undefined> {
  const nullKey = versionKey(objectKey, NULL_VERSION);
  const fixed = except === NULL_VERSION ? undefined : liveVersion(await readQuorum(cluster, nullKey, true));
  const named = await newestNamed(cluster, objectKey, versionKey(objectKey, except));
  if (!fixed || !named) return fixed ?? named;
  return orderOf(fixed.record, fixed.register.head) > orderOf(named.record, named.register.head) ? fixed : named;
}

async function newestNamed(cluster: Cluster, objectKey: Key, except: Key): Promise<Version | undefined> {
  const end = versionKey(objectKey, NULL_VERSION);
  for (let look = 0; look < LOOKS_MAX; look++) {
    const key = await firstLive(cluster, { start: versionsPrefix(objectKey), end, except });
    if (key === undefined) return undefined;
    const found = liveVersion(await readQuorum(cluster, key, true));
    if (found) return found;
  }
  throw new Fault(storeFaults.quorumUnavailable, { phase: 'versions' });
}

interface Range {
  readonly start: Key;
  readonly end: Key;
  readonly except: Key;
}

/** In key order, counting of each key the newest that two primaries hold. */
async function firstLive(cluster: Cluster, { start, end, except }: Range): Promise<Key | undefined> {
  for (let from = start; ; ) {
    const pages = await scanTwo(cluster, from, end);
    // Beyond the end of a page that was cut short its replica has not been heard.
    let heard = end;
    const newest = new Map<Key, Buffer>();
    for (const { heads, more } of pages) {
      const last = heads.at(-1);
      if (more && last && headKey(last) < heard) heard = headKey(last);
      for (const head of heads) {
        const known = newest.get(headKey(head));
        if (!known || headBallot(head) > headBallot(known)) newest.set(headKey(head), head);
      }
    }
    for (const key of [...newest.keys()].sort()) {
      if (key <= heard && key !== except && !isTombstone(newest.get(key) as Buffer)) return key;
    }
    if (heard === end) return undefined;
    from = `${heard}\0`;
  }
}

type ScanReply = ObjectServiceCalls['scan']['reply'];

async function scanTwo(cluster: Cluster, start: Key, end: Key): Promise<readonly ScanReply[]> {
  const replies: ScanReply[] = [];
  for (const replica of readOrder(cluster, start)) {
    if (replies.length === cluster.quorum) break;
    const reply = await scan(replica, start, end).catch((error) => {
      if (!isFault(error)) throw error;
      return undefined;
    });
    if (reply) replies.push(reply);
  }
  if (replies.length < cluster.quorum) throw new Fault(storeFaults.quorumUnavailable, { phase: 'versions' });
  return replies;
}

async function scan({ device, peer }: Replica, start: Key, end: Key): Promise<ScanReply> {
  const args = { device, start, end, limit: SCAN_HEADS };
  return (await peer.call('scan', args, { deadlineMs: SCAN_DEADLINE_MS })).value as ScanReply;
}
