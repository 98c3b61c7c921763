/** Rules that are checked on the cluster itself, not on what clients were told. Each throws what it found broken. */
import { headBallot, headStamp, isTombstone, KIND, type Key, keyKind, makeKey, rowRest, TABLE } from '../../object-server/contract.ts';
import type { Stamp } from '../../fabric/stamp.ts';
import type { ObjectRef } from '../../proxy/object/contract.ts';
import type { Attempt } from './attempt.ts';
import type { SimCluster } from './sim-cluster.ts';
import type { SimZone } from './sim-zone.ts';
import { durableBallots } from './survivors.ts';

/** A 2xx is answered when two primaries have object and row on disk, and not before. */
export async function survives(cluster: SimCluster, attempt: Attempt, ref: ObjectRef, stamp: Stamp): Promise<void> {
  const { running, cluster: view } = attempt.proxy;
  const container = running?.engine.containers.find(ref);
  // Not at hand any more: this one goes unexamined.
  if (!view || !container || container instanceof Promise) return;
  const object = makeKey(view.hash(ref.account, ref.container, ref.object), container.incarnation, KIND.object);
  const row = makeKey(container.hash, container.incarnation, KIND.row, rowRest(TABLE.current, ref.object));
  const zones = [...new Set([...view.primaries(object), ...view.primaries(row)])].map(({ device }) => device);
  const left = await Promise.all(zones.map((device) => durableBallots(cluster.zones[device] as SimZone, [object, row])));
  for (const [which, key] of [object, row].entries()) {
    const held = view.primaries(key).map(({ device }) => left[zones.indexOf(device)]?.[which] ?? '');
    if (held.filter((ballot) => ballot >= stamp).length >= 2) continue;
    const rest = held.map((ballot) => ballot || 'nothing').join(', ');
    throw new Error(`#${attempt.id} was answered with success at ${stamp}; a power failure would leave of ${cluster.keyName(key)}: ${rest}`);
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
    if (new Set(live).size > 1) problems.push(`${cluster.keyName(key)}: ${live.join(' ')} (stamps ${held.map((one) => one && headStamp(one.head)).join(' ')})`);
  }
  return problems.length > 0 ? problems.join('\n') : undefined;
}
