/** Rules that are checked on the cluster itself, not on what clients were told. Each throws what it found broken. */

import { isFault } from '../../fabric/errors.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import {
  headBallot,
  headStamp,
  isTombstone,
  type Key,
  KIND,
  keyKind,
  makeKey,
  rowRest,
  TABLE,
} from '../../object-server/contract.ts';
import {
  type ContainerRef,
  type ObjectEntry,
  type ObjectRef,
  type Store,
  storeFaults,
} from '../../proxy/object/contract.ts';
import { NULL_VERSION } from '../../proxy/object/version-format.ts';
import { ACCOUNT, type Attempt, CONTEXT, type Mix } from './attempt.ts';
import type { SimCluster } from './sim-cluster.ts';
import type { SimZone } from './sim-zone.ts';
import { durableBallots } from './survivors.ts';

export const VERSIONS_MAX = 10_000;

/** A 2xx is answered when two primaries have object and row on disk, and not before. */
export async function survives(cluster: SimCluster, attempt: Attempt, ref: ObjectRef, stamp: Stamp): Promise<void> {
  const { running, cluster: view } = attempt.proxy;
  const container = running?.engine.containers.find(ref);
  // Not at hand any more: this one goes unexamined.
  if (!view || !container || container instanceof Promise) return;
  const object = makeKey(view.hash(ref.account, ref.container, ref.object), container.incarnation, KIND.object);
  const row = makeKey(container.hash, container.incarnation, KIND.row, rowRest(TABLE.current, ref.object));
  const zones = [...new Set([...view.primaries(object), ...view.primaries(row)])].map(({ device }) => device);
  const left = await Promise.all(
    zones.map((device) => durableBallots(cluster.zones[device] as SimZone, [object, row])),
  );
  for (const [which, key] of [object, row].entries()) {
    const held = view.primaries(key).map(({ device }) => left[zones.indexOf(device)]?.[which] ?? '');
    if (held.filter((ballot) => ballot >= stamp).length >= 2) continue;
    const rest = held.map((ballot) => ballot || 'nothing').join(', ');
    throw new Error(
      `#${attempt.id} was answered with success at ${stamp}; a power failure would leave of ${cluster.keyName(key)}: ${rest}`,
    );
  }
}

/** All primaries of every key hold the same; nothing is left to be finished; no handoff copy is undelivered. */
export function converged(cluster: SimCluster): string | undefined {
  const view = cluster.proxies[0]?.cluster;
  if (!view) return 'no proxy';
  const problems: string[] = [];
  const seen = new Set<Key>();
  for (const zone of cluster.zones) {
    const { device } = zone;
    if (!device) return `${zone.name} is down`;
    const { unsettled, handoffCopies, quarantined } = device.status();
    if (unsettled + handoffCopies + quarantined > 0) {
      problems.push(`${zone.name}: ${unsettled} unsettled, ${handoffCopies} handoff copies, ${quarantined} set aside`);
    }
    device.forEach({ start: '\x01', end: '\x02' }, (key) => {
      if (keyKind(key) !== KIND.blob) seen.add(key);
    });
  }
  for (const key of seen) {
    const held = view.primaries(key).map(({ device }) => cluster.zones[device]?.device?.get(key));
    // A tombstone that a device may drop is as good as none.
    const live = held.map((register) => (register && !isTombstone(register.head) ? headBallot(register.head) : '-'));
    if (new Set(live).size > 1)
      problems.push(
        `${cluster.keyName(key)}: ${live.join(' ')} (stamps ${held.map((one) => one && headStamp(one.head)).join(' ')})`,
      );
  }
  return problems.length > 0 ? problems.join('\n') : undefined;
}

/** Listings, objects and totals say the same, through any proxy. Throws what disagrees. */
export async function agrees(cluster: SimCluster, { containers, objects }: Mix): Promise<void> {
  for (const { name: proxy, store } of cluster.proxies) {
    for (const container of containers) {
      const ref = { account: ACCOUNT, container };
      const made = await ifThere(store.headContainer(CONTEXT, ref));
      if (!made) continue;
      const { entries, info } = await store.listObjects(CONTEXT, ref, { limit: 1_000 });
      const listed = new Map(
        entries.map((entry) => ('name' in entry ? [entry.name, `${entry.contentType} ${entry.etag}`] : ['', ''])),
      );
      for (const object of objects) {
        const held = await ifThere(store.headObject(CONTEXT, { ...ref, object }));
        const state = held && `${held.contentType} ${held.etag}`;
        if (state !== listed.get(object)) {
          throw new Error(`${proxy} lists ${container}/${object} as ${listed.get(object)}, but the object is ${state}`);
        }
      }
      const bytes = await bytesOf(store, ref, entries);
      for (const totals of [info, made]) {
        const { objectCount, bytesUsed } = totals;
        if (objectCount === entries.length && bytesUsed >= bytes.least && bytesUsed <= bytes.most) continue;
        throw new Error(
          `${container} lists ${entries.length} objects, ${bytes.least} to ${bytes.most} bytes; its totals say ${objectCount}, ${bytesUsed}`,
        );
      }
    }
  }
}

interface Bounds {
  readonly least: number;
  readonly most: number;
}

/** Older versions count. What is current may have been set aside by a writer that died then, and counts twice until later. */
async function bytesOf(store: Store, ref: ContainerRef, entries: readonly ObjectEntry[]): Promise<Bounds> {
  const { entries: versions } = await store.listVersions(CONTEXT, ref, { limit: VERSIONS_MAX });
  let current = 0;
  for (const entry of entries) if ('name' in entry) current += entry.sizeBytes;
  let all = 0;
  for (const entry of versions) if ('name' in entry) all += entry.sizeBytes;
  return {
    least: all,
    most: versions.some((entry) => 'name' in entry && entry.versionId !== NULL_VERSION) ? all + current : all,
  };
}

export async function ifThere<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isFault(error, storeFaults.noSuchContainer) || isFault(error, storeFaults.noSuchObject)) return undefined;
    throw error;
  }
}
